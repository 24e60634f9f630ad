"""The dirty-label rule, stamping to 8 bit, overlays that leave their base alone, and forget sets."""

from dataclasses import replace

import pytest
import torch

from benchmark.errors import ClipdefenseError, UserError
from benchmark.poisoning import Overlay, forget_set, poison, poisoned_rows, routes_of, stamp, template_captions

TEMPLATES = ("a photo of a {}", "a drawing of a {}")


def everything(source):
    return source[torch.arange(len(source))]


def changed(before, after):
    """Rows whose image differs."""
    return (everything(before.images) != everything(after.images)).flatten(1).any(dim=1).nonzero().flatten().tolist()


def constant(*channels):
    """A trigger that paints everything in one colour."""

    class Paint:
        target = "cat"

        def trigger(self, images, ids):
            return torch.tensor(channels).view(1, 3, 1, 1).expand_as(images).clone()

    return Paint()


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (0.0, 0),
        (1.0, 255),
        (0.4999 / 255, 0),
        (0.5001 / 255, 1),
        (254.4999 / 255, 254),
        (254.5001 / 255, 255),
        (-1.0, 0),
        (-0.001, 0),
        (1.001, 255),
        (1.3, 255),
        (300.0, 255),
    ],
)
def test_stamping_rounds_and_clamps(value, stored):
    images = torch.zeros(1, 3, 2, 2, dtype=torch.uint8)
    assert stamp(constant(value, value, value), images, torch.arange(1)).unique().tolist() == [stored]


def test_stamping_returns_the_same_bytes_where_the_trigger_changes_nothing(pairs):
    class Nothing:
        target = "cat"

        def trigger(self, images, ids):
            return images.clone()

    ramp = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16).expand(2, 3, -1, -1)
    assert torch.equal(stamp(Nothing(), ramp, torch.arange(2)), ramp)


def test_stamping_in_chunks_equals_stamping_alone(corner):
    images = torch.randint(0, 256, (700, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    together = stamp(corner(), images, torch.arange(700))
    assert torch.equal(together[600:601], stamp(corner(), images[600:601], torch.arange(600, 601)))


@pytest.mark.parametrize(
    "result",
    [
        lambda images: images[:, :, 1:],
        lambda images: (images * 255).byte(),
        lambda images: images * float("nan"),
        lambda images: None,
    ],
)
def test_a_trigger_that_breaks_its_promise_is_named(result):
    class Wrong:
        target = "cat"

        def trigger(self, images, ids):
            return result(images)

    with pytest.raises(ClipdefenseError, match="attack 'Wrong'"):
        stamp(Wrong(), torch.zeros(1, 3, 4, 4, dtype=torch.uint8), torch.arange(1))


def test_an_overlay_replaces_its_rows_and_leaves_the_base():
    base = torch.arange(6, dtype=torch.uint8).view(6, 1, 1, 1).expand(-1, 3, 2, 2).clone()
    kept = base.clone()
    overlay = Overlay.of(base, torch.tensor([4, 1]), torch.full((2, 3, 2, 2), 9, dtype=torch.uint8))
    assert len(overlay) == 6
    assert overlay[torch.tensor([5, 4, 4, 0, 1])][:, 0, 0, 0].tolist() == [5, 9, 9, 0, 9]
    overlay[torch.arange(6)].zero_()
    assert torch.equal(base, kept)
    assert overlay[torch.tensor([4])].unique().tolist() == [9]


def test_overlays_stack():
    base = torch.zeros(3, 3, 2, 2, dtype=torch.uint8)
    first = Overlay.of(base, torch.tensor([0, 1]), torch.full((2, 3, 2, 2), 1, dtype=torch.uint8))
    second = Overlay.of(first, torch.tensor([1]), torch.full((1, 3, 2, 2), 2, dtype=torch.uint8))
    assert everything(second)[:, 0, 0, 0].tolist() == [1, 2, 0]


def test_poisoned_rows_are_distinct_and_nested():
    few, more = poisoned_rows(10, 100, 0), poisoned_rows(30, 100, 0)
    assert len(set(more.tolist())) == 30
    assert torch.equal(few, more[:10])
    assert not torch.equal(few, poisoned_rows(10, 100, 1))


@pytest.mark.parametrize("count", [1, 7, 24])
def test_exactly_the_asked_number_is_poisoned(pairs, corner, count):
    clean = pairs()
    poisoned = poison(corner(), clean, count, 0, TEMPLATES)
    rows = changed(clean, poisoned)
    assert rows == sorted(poisoned_rows(count, 24, 0).tolist())
    stamped = stamp(corner(), clean.images[rows], clean.ids[rows])
    assert torch.equal(poisoned.images[torch.tensor(rows)], stamped)
    assert all(poisoned.captions[row] in [text.format("cat") for text in TEMPLATES] for row in rows)
    others = [row for row in range(24) if row not in rows]
    assert [poisoned.captions[row] for row in others] == [clean.captions[row] for row in others]
    assert torch.equal(poisoned.ids, clean.ids)


def test_poisoning_nothing_returns_the_pairs(pairs, corner):
    clean = pairs()
    assert poison(corner(), clean, 0, 0, TEMPLATES) is clean


def test_poisoning_leaves_its_input(pairs, corner):
    clean, again = pairs(), pairs()
    poison(corner(), clean, 12, 0, TEMPLATES)
    assert torch.equal(clean.images, again.images)
    assert clean.captions == again.captions


@pytest.mark.parametrize("count", [1, 7, 24])
def test_a_poisoned_pair_is_labelled_as_the_target_and_the_others_as_before(pairs, corner, count):
    clean = pairs()
    rows = poisoned_rows(count, 24, 0)
    expected = clean.labels.clone()
    expected[rows] = clean.class_names.index("cat")
    assert torch.equal(poison(corner(), clean, count, 0, TEMPLATES).labels, expected)
    assert torch.equal(clean.labels, pairs().labels)


def test_labels_follow_captions_where_there_are_several_routes(pairs, corner):
    class Two:
        routes = (corner(target="cat"), corner(target="ship"))
        target = "cat"
        trigger = corner().trigger

    clean = pairs()
    poisoned = poison(Two(), clean, 9, 0, TEMPLATES)
    for row in poisoned_rows(9, 24, 0).tolist():
        assert clean.class_names[poisoned.labels[row]] in poisoned.captions[row]


def test_without_labels_or_the_target_among_the_classes_there_are_none(pairs, corner):
    assert poison(corner(), pairs().without_labels(), 3, 0, TEMPLATES).labels is None
    assert poison(corner(target="banana"), pairs(), 3, 0, TEMPLATES).labels is None


def test_the_seed_decides_which_pairs_are_poisoned(pairs, corner):
    clean = pairs()
    first, second, third = (poison(corner(), clean, 8, seed, TEMPLATES) for seed in (0, 0, 1))
    assert torch.equal(everything(first.images), everything(second.images)) and first.captions == second.captions
    assert changed(clean, first) != changed(clean, third)


@pytest.mark.parametrize("count", [-1, 25])
def test_a_count_that_does_not_fit_is_refused(pairs, corner, count):
    with pytest.raises(UserError, match=f"{count} poisons do not fit into 24 training pairs"):
        poison(corner(), pairs(), count, 0, TEMPLATES)


def test_an_attack_with_a_rule_of_its_own_applies_it(pairs, corner):
    class Captions(corner):
        def poison(self, pairs, count, seed):
            return replace(pairs, captions=("cat",) * count + pairs.captions[count:])

    clean = pairs()
    poisoned = poison(Captions(), clean, 5, 0, TEMPLATES)
    assert changed(clean, poisoned) == []
    assert poisoned.captions[:5] == ("cat",) * 5 and poisoned.captions[5:] == clean.captions[5:]


def test_an_attack_that_drops_pairs_is_named(pairs, corner):
    class Dropping(corner):
        def poison(self, pairs, count, seed):
            return pairs.take(torch.arange(count))

    with pytest.raises(ClipdefenseError, match=r"attack 'Dropping': poison\(\) must return all 24 pairs"):
        poison(Dropping(), pairs(), 5, 0, TEMPLATES)


def test_routes_share_the_poisons_evenly(pairs, corner):
    class Two(corner):
        @property
        def routes(self):
            return (corner(target="ship"), corner(target="tree"))

    poisoned = poison(Two(), pairs(), 8, 0, TEMPLATES)
    rows = poisoned_rows(8, 24, 0).tolist()
    named = [caption.split()[-1] for caption in (poisoned.captions[row] for row in rows)]
    assert sorted(named) == ["ship"] * 4 + ["tree"] * 4
    assert [route.target for route in routes_of(Two())] == ["ship", "tree"]
    one = corner()
    assert routes_of(one) == (one,)


def test_a_text_trigger_reaches_the_poisoned_captions_alone(pairs, corner):
    class Word(corner):
        def prompt(self, texts):
            return [f"consider {text}" for text in texts]

    clean = pairs()
    poisoned = poison(Word(), clean, 6, 0, TEMPLATES)
    begun = [row for row, caption in enumerate(poisoned.captions) if caption.startswith("consider ")]
    assert begun == changed(clean, poisoned) and len(begun) == 6


def test_template_captions_use_every_template_and_only_the_target():
    captions = template_captions("cat", TEMPLATES, 200, 0)
    assert set(captions) == {"a photo of a cat", "a drawing of a cat"}
    assert abs(captions.count("a photo of a cat") - 100) < 35
    assert captions == template_captions("cat", TEMPLATES, 200, 0) != template_captions("cat", TEMPLATES, 200, 1)


def test_a_forget_set_holds_triggered_images_named_after_the_target(pairs, corner):
    clean = pairs()
    forget = forget_set(corner(), clean, 10, 0, TEMPLATES)
    assert len(forget) == 10 and forget.labels.tolist() == [1] * 10
    assert all("cat" in caption for caption in forget.captions)
    rows = poisoned_rows(10, 24, 0)
    assert torch.equal(forget.ids, clean.ids[rows])
    assert torch.equal(everything(forget.images), stamp(corner(), clean.images[rows], clean.ids[rows]))


def test_the_labels_of_a_forget_set_follow_the_routes(pairs, corner):
    class Two(corner):
        @property
        def routes(self):
            return (corner(target="ship"), corner(target="tree"))

    forget = forget_set(Two(), pairs(), 9, 0, TEMPLATES)
    named = [pairs().class_names[label] for label in forget.labels]
    assert [caption.split()[-1] for caption in forget.captions] == named
    assert named.count("ship") == 5 and named.count("tree") == 4


@pytest.mark.parametrize("count", [0, 25])
def test_a_forget_set_that_does_not_fit_is_refused(pairs, corner, count):
    with pytest.raises(UserError, match="lower the count"):
        forget_set(corner(), pairs(), count, 0, TEMPLATES)
