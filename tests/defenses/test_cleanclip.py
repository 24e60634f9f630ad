import pytest
import torch
from torch.nn import functional

import defenses.cleanclip as cleanclip
from benchmark.losses import caption_targets, contrastive_soft
from benchmark.objectives import in_modal
from benchmark.types import Batch
from defenses.cleanclip import CleanClip


def _batch(model, pairs, pixels):
    rows = torch.arange(len(pairs))
    return Batch(pixels, model.tokenize(pairs.captions), None, pairs.ids, rows)


def test_identical_copies_give_the_contrastive_loss_plus_self_similarity(model, pairs, pixels, monkeypatch):
    monkeypatch.setattr(cleanclip, "auto_augmented", lambda images, seed, group: images)
    batch = _batch(model, pairs, pixels)
    with torch.no_grad():
        found = CleanClip().objective(batch.tokens, 0)(model, batch)
        images, texts = model.encode_images(batch.images), model.encode_tokens(batch.tokens)
        goals = (torch.arange(len(images)), caption_targets(batch.tokens))
        logits = [model.logit_scale * x @ x.T for x in (images, texts)]
        within = [functional.cross_entropy(*pair) for pair in zip(logits, goals, strict=True)]
        expected = contrastive_soft(model, batch) + sum(within) / 2
    assert float(found) == pytest.approx(float(expected), rel=1e-4)


def test_without_the_in_modal_weight_it_is_the_contrastive_loss(model, pairs, pixels):
    batch = _batch(model, pairs, pixels)
    with torch.no_grad():
        found = CleanClip(in_modal_weight=0.0).objective(batch.tokens, 0)(model, batch)
        assert float(found) == pytest.approx(float(contrastive_soft(model, batch)), rel=1e-4)


def test_in_modal_loss_is_taken_over_rows_only():
    anchors, copies = torch.eye(3)[[0, 1, 1]], torch.eye(3)
    forward, backward = (in_modal(*pair, torch.tensor(5.0)) for pair in ((anchors, copies), (copies, anchors)))
    assert float(forward) != pytest.approx(float(backward))
