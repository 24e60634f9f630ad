"""The record of what is poisoned is exact, whatever an attack's rule."""

import pytest
import torch

from attacks.badclip import BadClip
from attacks.badnets import BadNets
from attacks.blended import Blended
from attacks.label_consistent import LabelConsistent
from attacks.multi_trigger import MultiTrigger
from attacks.trojvqa import TrojVqa
from benchmark import marking
from benchmark.marking import marked
from benchmark.poisoning import poison, poisoned_rows

TEMPLATES = ("a photo of a {}", "a drawing of a {}")
PATCH = torch.zeros(3, 4, 4)


@pytest.mark.parametrize("attack", [BadNets(), Blended(), MultiTrigger(), TrojVqa(patch=PATCH)])
@pytest.mark.parametrize("count", [0, 1, 9, 60])
def test_marks_of_the_dirty_label_rule_are_the_rows_it_chose(pairs, attack, count):
    found = marked(pairs, poison(attack, pairs, count, 5, TEMPLATES))
    assert set(found.nonzero().flatten().tolist()) == set(poisoned_rows(count, len(pairs), 5).tolist())


@pytest.mark.parametrize("attack", [LabelConsistent(), BadClip(patch=PATCH)])
def test_marks_of_rules_of_their_own_are_as_many_as_were_asked_for(pairs, attack):
    after = poison(attack, pairs, 9, 5, TEMPLATES)
    found = marked(pairs, after)
    assert found.sum() == 9
    same = ~found
    assert torch.equal(after.take(same.nonzero().flatten()).images, pairs.take(same.nonzero().flatten()).images)


def test_a_changed_caption_alone_is_a_mark(pairs):
    from dataclasses import replace

    after = replace(pairs, captions=(*pairs.captions[:-1], "something else"))
    assert marked(pairs, after).nonzero().flatten().tolist() == [len(pairs) - 1]


def test_marks_of_a_part_are_those_of_the_whole(pairs, monkeypatch):
    after, rows = poison(BadNets(), pairs, 9, 5, TEMPLATES), torch.tensor([40, 3, 7, 59, 22])
    whole = marked(pairs, after)
    assert torch.equal(marked(pairs.take(rows), after.take(rows)), whole[rows])
    monkeypatch.setattr(marking, "_BATCH", 7)
    assert torch.equal(marked(pairs, after), whole)
