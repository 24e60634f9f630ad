"""A data set or an attack that hands out what it should not: every cell of it fails in a sentence."""

import pytest

DATA = """
import torch

class Numbers:
    name, class_names, templates = "numbers", ("heart", "cat"), ("a {}",)
    given = lambda self, count: count
    images = lambda self, count, size: torch.zeros(count, 3, size, size, dtype=torch.uint8)
    captions = lambda self, count: ("a cat",) * count
    labels = lambda self, count: torch.arange(count) % 2
    ids = lambda self, count: torch.arange(count)

    def load(self, split, count, image_size):
        from benchmark.types import Pairs

        total = self.given(count)
        return Pairs(
            images=self.images(total, image_size), captions=self.captions(total), labels=self.labels(total),
            class_names=self.class_names, ids=self.ids(total), dataset=self.name, split=split,
        )

class Floating(Numbers):
    images = lambda self, count, size: torch.rand(count, 3, size, size)

class Small(Numbers):
    images = lambda self, count, size: torch.zeros(count, 3, 8, 8, dtype=torch.uint8)

class Few(Numbers):
    given = lambda self, count: count - 1

class Bare(Numbers):
    images = lambda self, count, size: torch.zeros(count - 3, 3, size, size, dtype=torch.uint8)

class Wild(Numbers):
    labels = lambda self, count: torch.full((count,), 7)

class Soft(Numbers):
    labels = lambda self, count: torch.zeros(count)

class Nameless(Numbers):
    ids = lambda self, count: torch.arange(3)

class Mute(Numbers):
    captions = lambda self, count: (3,) * count

class Listed(Numbers):
    def load(self, split, count, image_size):
        return [1, 2]

class Raising(Numbers):
    def load(self, split, count, image_size):
        raise ValueError("the moon is full")
"""
MUST = "dataset 'numbers', split 'train': load() must return "
BROKEN = {
    "Floating": f"{MUST}uint8 images of shape (3, 32, 32), got float32 of shape (1, 3, 32, 32)",
    "Small": f"{MUST}uint8 images of shape (3, 32, 32), got uint8 of shape (1, 3, 8, 8)",
    "Few": f"{MUST}the 128 pairs that it was asked for, got 127",
    "Bare": f"{MUST}one caption per image, got 128 captions for 125 images",
    "Wild": f"{MUST}labels in [0, 2), got 7 to 7",
    "Soft": f"{MUST}int64 labels of shape (128,), got float32 of shape (128,)",
    "Nameless": f"{MUST}int64 ids of shape (128,), got int64 of shape (3,)",
    "Mute": f"{MUST}captions that are texts",
    "Listed": f"{MUST}Pairs, got list",
    "Raising": "dataset 'numbers': load() raised ValueError: the moon is full",
}


def run(world, call, plugin):
    name = plugin.lower()
    world.write("data.py", DATA)
    world.matrix("data", f'datasets = ["{name}"]\nattacks = ["badnets"]\ntargets = {{ {name} = "heart" }}')
    only = ("--only", "defense=none", "--only", "victim=poisoned")
    finished = call(world, "run", "data.toml", *only, "--plugin", f"data.py:{plugin}")
    return finished, world.found("data")[f"tiny-resnet / {name} / badnets / none / seed 0"]


def test_broken_data_fail_in_a_sentence(micro, call):
    found = {plugin: run(micro, call, plugin)[1] for plugin in BROKEN}
    assert {plugin: (result.status, result.reason) for plugin, result in found.items()} == {
        plugin: ("failed", reason) for plugin, reason in BROKEN.items()
    }


def test_whole_data_pass(micro, call):
    finished, result = run(micro, call, "Numbers")
    assert (finished.code, result.status) == (0, "ok")


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        ("routes = ()", "attack 'Odd' has no routes; give it one, or leave 'routes' out"),
        ("prompt = lambda self, texts: 3", "attack 'Odd': prompt() must return 16 texts, got int"),
        ("prompt = lambda self, texts: 1 / 0", "attack 'Odd': prompt() raised ZeroDivisionError: division by zero"),
        ("poison = lambda self, pairs, count, seed: None", "attack 'Odd': poison() must return all 128 pairs"),
    ],
)
def test_a_broken_attack_fails_in_a_sentence(micro, call, member, reason):
    micro.write("odd.py", f"class Odd:\n    target = 'heart'\n    trigger = lambda self, x, ids: x\n    {member}\n")
    micro.matrix("odd", 'attacks = ["odd"]\nbenign = ""')
    only = ("--only", "defense=none", "--only", "victim=poisoned")
    call(micro, "run", "odd.toml", *only, "--plugin", "odd.py:Odd")
    assert micro.found("odd")["tiny-resnet / shapes / odd / none / seed 0"].reason == reason
