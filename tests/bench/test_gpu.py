"""ViT-B-32 at 224 pixels with random weights on an NVIDIA GPU: speed against the bare model, and the paper's sizes."""

import warnings

import pytest
import torch

from attacks.badnets import BadNets
from benchmark.architectures import model_spec
from benchmark.checkpoints import built
from benchmark.flops import forward_flops, peak_bfloat16
from benchmark.models import Clip
from benchmark.provenance import device_name
from benchmark.stages.contexts import bound_train, make_context
from benchmark.throughput import evaluation_race, probe_race, seconds, training_race
from benchmark.training import last, overridden, train
from benchmark.types import Pairs
from defenses.cleanclip import CleanClip
from reports.tables.entries import duration

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU; none is visible")

PAIRS = 8192
CLASSES = 100
STEPS = 32
TEMPLATES = ("a photo of a {}", "a picture of a {}")
FLOOR = 0.90
"""Below this share of the bare speed a benchmark fails; the goal is 0.95."""


@pytest.fixture(scope="module")
def device():
    return torch.device("cuda:0")


@pytest.fixture(scope="module")
def spec():
    return model_spec("ViT-B-32/openai")


@pytest.fixture(scope="module")
def flops(spec):
    return forward_flops(spec)


@pytest.fixture(scope="module")
def model(spec, device):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Clip(spec, built(spec, quick_gelu=True).eval()).to(device)


@pytest.fixture(scope="module")
def pairs():
    generator, labels = torch.Generator().manual_seed(0), torch.arange(PAIRS) % CLASSES
    return Pairs(
        images=torch.randint(0, 256, (PAIRS, 3, 224, 224), generator=generator, dtype=torch.uint8),
        captions=tuple(f"photograph {row} of a thing {row % CLASSES}" for row in range(PAIRS)),
        labels=labels,
        class_names=tuple(f"thing {number}" for number in range(CLASSES)),
        ids=torch.arange(PAIRS),
        dataset="noise",
        split="train",
    )


@pytest.fixture(scope="module")
def said():
    return {}


@pytest.fixture
def say(tell, device, said):
    """Tells a race: rates, ratio, share of the device's peak, memory."""

    def line(name, found, operations):
        peak = peak_bfloat16(device_name(device))
        used = f"{found.ours * operations / peak:.1%} of the vendor's dense" if peak else "no entry for the device's"
        tell(
            f"{name} on {device_name(device)}: {found.ours:.0f} images/s, bare model {found.bare:.0f} images/s, "
            f"ratio {found.ratio:.3f}, {used} bfloat16 peak, {found.peak_memory / 2**30:.1f} GiB"
        )
        said[name] = found.ours
        return found.ratio

    return line


def test_training(model, spec, pairs, flops, say, tell, said):
    found = training_race(model, pairs, spec.finetune, "bfloat16").run(rounds=5)
    ratio = say("training", found, flops.training)
    tell(f"one victim (500,000 pairs, 5 epochs): {duration(500_000 * 5 / said['training'])}")
    assert ratio > FLOOR


def test_evaluation(model, pairs, flops, say):
    found = evaluation_race(model, pairs, TEMPLATES, "bfloat16").run(rounds=5)
    assert say("evaluation", found, flops.image) > FLOOR


def test_measuring_clean_and_triggered(model, pairs, flops, say):
    found = probe_race(model, BadNets(target="thing 0"), pairs, TEMPLATES, "bfloat16").run(rounds=5)
    assert say("clean and triggered with text classifier", found, flops.image) > FLOOR


def test_a_cleanclip_cell(model, spec, pairs, device, tell, said):
    few = pairs.take(torch.arange(PAIRS // 2))
    context = make_context(
        class_names=few.class_names,
        templates=TEMPLATES,
        seed=0,
        device=device,
        train=bound_train(spec.defend, seed=0, precision="bfloat16"),
        resources={"clean_pairs": few},
    )
    defense = CleanClip(epochs=2)
    list(CleanClip(epochs=1)(model, context))
    rate = 2 * len(few) / seconds(lambda: list(defense(model, context)), device)
    training = 100_000 * 10 / rate
    tell(f"cleanclip: {rate:.0f} pairs/s; one cell (100,000 pairs, 10 epochs): {duration(training)} of training")
    if "evaluation" in said:
        measuring = 10 * 2 * 50_000 / said["evaluation"]
        tell(f"its 10 points on 50,000 test images, clean and triggered: {duration(measuring)}")
    assert rate > 0


def test_the_host_does_not_wait_within_an_epoch(model, spec, pairs, tell):
    few = pairs.take(torch.arange(STEPS * spec.finetune.batch_size))
    recipe = overridden(spec.finetune, epochs=1, shift=4, flip=True)
    last(train(model, few, recipe, seed=0, precision="bfloat16"))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            last(train(model, few, recipe, seed=0, precision="bfloat16"))
        finally:
            torch.cuda.set_sync_debug_mode("default")
    waits = [warning for warning in caught if "called a synchronizing" in str(warning.message)]
    tell(f"the host waited {len(waits)} times for the GPU in an epoch of {STEPS} steps")
    assert len(waits) < STEPS / 2  # the loss is read once, at the end
