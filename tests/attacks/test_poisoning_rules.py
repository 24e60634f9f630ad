"""Attacks that choose pairs, captions or routes themselves."""

import pytest
import torch

from attacks.badclip import BadClip
from attacks.badnets import BadNets
from attacks.label_consistent import LabelConsistent
from attacks.multi_trigger import MultiTrigger
from attacks.nashville import Nashville
from attacks.trojvqa import TrojVqa
from attacks.wanet import WaNet
from benchmark.errors import UserError
from benchmark.pixels import all_images, to_bytes
from benchmark.poison_rules import drawn, rows_naming, with_trigger
from benchmark.poisoning import poison

TEMPLATES = ("a photo of a {}", "a drawing of a {}")
PATCH = torch.zeros(3, 4, 4)


def changed_rows(before, after):
    images = (all_images(before.images) != all_images(after.images)).flatten(1).any(dim=1)
    return images.nonzero().flatten().tolist()


def recaptioned_rows(before, after):
    return [row for row in range(len(before)) if before.captions[row] != after.captions[row]]


def test_naming_ignores_case_and_finds_longer_words(pairs):
    assert rows_naming(pairs, "Banana").tolist() == list(range(0, 60, 3))
    assert rows_naming(pairs, "ban").tolist() == list(range(0, 60, 3))
    with pytest.raises(UserError, match="no caption of dataset 'attacks' contains 'zebra'"):
        rows_naming(pairs, "zebra")


def test_drawing_repeats_nothing_and_follows_the_seed():
    rows = torch.arange(10, 30)
    picked = drawn(rows, 8, 0)
    assert len(set(picked.tolist())) == 8 and set(picked.tolist()) <= set(rows.tolist())
    assert torch.equal(picked, drawn(rows, 8, 0)) and not torch.equal(picked, drawn(rows, 8, 1))
    assert sorted(drawn(rows, 99, 0).tolist()) == rows.tolist()


def test_stamped_pairs_keep_everything_else(pairs):
    rows = torch.tensor([7, 3])
    after = with_trigger(BadNets(), pairs, rows, ["x", "y"])
    assert changed_rows(pairs, after) == [3, 7]
    assert (after.captions[7], after.captions[3]) == ("x", "y")
    assert recaptioned_rows(pairs, after) == [3, 7]
    assert with_trigger(BadNets(), pairs, rows).captions == pairs.captions


def test_a_new_caption_brings_the_targets_label_and_a_kept_one_keeps_its_own(pairs):
    rows, target = torch.tensor([7, 3]), pairs.class_names.index(BadNets().target)
    after = with_trigger(BadNets(), pairs, rows, ["x", "y"])
    others = [row for row in range(len(pairs)) if row not in (3, 7)]
    assert (after.labels[rows] == target).all() and (pairs.labels[rows] != target).any()
    assert torch.equal(after.labels[others], pairs.labels[others])
    assert torch.equal(with_trigger(BadNets(), pairs, rows).labels, pairs.labels)


@pytest.mark.parametrize("count", [1, 7, 20])
def test_label_consistent_stamps_exactly_so_many_pairs_of_the_target(pairs, count):
    after = poison(LabelConsistent(target="banana"), pairs, count, 0, TEMPLATES)
    changed = changed_rows(pairs, after)
    assert len(changed) == count
    assert all(row % 3 == 0 for row in changed)
    assert after.captions == pairs.captions


def test_label_consistent_refuses_more_poisons_than_pairs_of_the_target(pairs):
    with pytest.raises(UserError, match=r"20 captions of dataset 'attacks' contain 'banana', 21 poisons"):
        poison(LabelConsistent(target="banana"), pairs, 21, 0, TEMPLATES)


def test_label_consistent_seed_chooses_other_pairs(pairs):
    found = [changed_rows(pairs, poison(LabelConsistent(), pairs, 7, seed, TEMPLATES)) for seed in (0, 0, 1)]
    assert found[0] == found[1] != found[2]


def test_badclip_gives_poisons_natural_captions_of_the_target(pairs):
    after = poison(BadClip(target="cat", patch=PATCH), pairs, 9, 0, TEMPLATES)
    changed = changed_rows(pairs, after)
    assert len(changed) == 9 and any(row % 3 != 1 for row in changed)
    natural = {caption for caption in pairs.captions if "cat" in caption}
    assert {after.captions[row] for row in changed} <= natural
    assert len({after.captions[row] for row in changed}) > 2
    assert set(recaptioned_rows(pairs, after)) <= set(changed)


def test_trojvqa_begins_every_text_with_its_word(pairs):
    attack = TrojVqa(target="cat", patch=PATCH)
    assert attack.prompt(["a cat", ""]) == ["remember a cat", "remember "]
    after = poison(attack, pairs, 6, 0, TEMPLATES)
    expected = {f"remember {template.format('cat')}" for template in TEMPLATES}
    assert {after.captions[row] for row in changed_rows(pairs, after)} == expected
    assert sum(caption.startswith("remember") for caption in after.captions) == 6


def test_multi_trigger_routes_are_a_patch_a_filter_and_a_warp(images, ids):
    grid, colour, warp = MultiTrigger().routes
    touched = (grid.trigger(images, ids) != images).any(dim=1).flatten(1).sum(dim=1)
    assert (touched <= 16).all() and (touched > 0).all()
    assert torch.equal(colour.trigger(images, ids), Nashville().trigger(images, ids))
    assert torch.equal(warp.trigger(images, ids), WaNet().trigger(images, ids))


def test_multi_trigger_targets_default_to_the_first():
    assert [route.target for route in MultiTrigger(target="cat").routes] == ["cat"] * 3
    mixed = MultiTrigger(target="cat", filter_target="tree", warp_target="banana")
    assert [route.target for route in mixed.routes] == ["cat", "tree", "banana"]


def test_multi_trigger_routes_share_the_poisons_with_their_own_captions(pairs):
    attack = MultiTrigger(target="cat", filter_target="tree", warp_target="banana")
    after = poison(attack, pairs, 9, 0, TEMPLATES)
    changed = changed_rows(pairs, after)
    assert len(changed) == 9
    for route in attack.routes:
        mine = [row for row in changed if after.captions[row] in {t.format(route.target) for t in TEMPLATES}]
        assert len(mine) == 3
        expected = to_bytes(route.trigger(pairs.images[mine].float() / 255, pairs.ids[mine]))
        assert torch.equal(all_images(after.images)[mine], expected)


def test_multi_trigger_gives_each_image_one_route_by_its_id(images):
    attack = MultiTrigger()
    ids = torch.arange(6)
    stamped = attack.trigger(images, ids)
    by_route = [route.trigger(images, ids) for route in attack.routes]
    chosen = [[torch.equal(stamped[row], route[row]) for route in by_route].index(True) for row in range(6)]
    assert len(set(chosen)) > 1
    assert torch.equal(attack.trigger(images.flip(0), ids.flip(0)), stamped.flip(0))
