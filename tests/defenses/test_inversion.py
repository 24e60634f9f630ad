import pytest
import torch

from benchmark.evaluation import predict
from benchmark.generators import LearntGenerator, generated, initial_weights
from benchmark.inversion import (
    LearntTrigger,
    PatchSearch,
    _Weight,
    elicited,
    mean_similarity,
    pasted,
    search_patch,
    shadow_images,
)
from benchmark.stages.learnt import load_attack, save_attack
from defenses.bti_dbf import BtiDbf, _Reader
from defenses.decree import Decree
from defenses.planted import Planted


def test_pasting_follows_the_mask(pixels):
    mask, pattern = torch.zeros(1, 32, 32), torch.rand(3, 32, 32)
    mask[:, :4, :4], mask[:, 8:, 8:] = 1.0, 0.25
    found = pasted(pixels, mask, pattern)
    torch.testing.assert_close(found[:, :, :4, :4], pattern[:, :4, :4].expand(len(pixels), -1, -1, -1))
    assert torch.equal(found[:, :, 4:8], pixels[:, :, 4:8])
    torch.testing.assert_close(found[:, :, 20, 20], 0.75 * pixels[:, :, 20, 20] + 0.25 * pattern[:, 20, 20])


def test_a_learnt_patch_is_resized_with_the_images():
    mask, pattern = torch.zeros(1, 8, 8), torch.ones(3, 8, 8)
    mask[:, 6:, 6:] = 1.0
    found = LearntTrigger(target="heart", mask=mask, pattern=pattern).trigger(
        torch.zeros(2, 3, 16, 16), torch.arange(2)
    )
    assert found[:, :, 12:, 12:].eq(1).all() and found.sum() == 2 * 3 * 16


def test_the_search_finds_the_small_patch_that_a_score_answers_to(resnet, pairs):
    def score(pixels):
        return 1 - (pixels[:, :, -6:, -6:] - 1).square().mean()

    how = PatchSearch(epochs=60, batch_size=12, learning_rate=0.5, success=0.98)
    mask, pattern = search_patch(resnet, pairs.images, score, how, seed=0)
    again, _ = search_patch(resnet, pairs.images, score, how, seed=0)
    assert torch.equal(mask, again)
    assert mask[0, -6:, -6:].mean() > 5 * mask[0, :-6, :-6].mean()
    assert pattern[:, -6:, -6:].mean() > 0.9


def test_the_size_weight_rises_with_success_and_has_a_floor():
    weight = _Weight(PatchSearch(epochs=1, batch_size=1, learning_rate=1.0, success=1.0, patience=1))
    for _ in range(2):
        weight.update(True)
    assert weight.value == pytest.approx(5e-3)
    for _ in range(40):
        weight.update(False)
    assert 1e-8 <= weight.value < 1e-7


def test_mean_similarity_is_the_mean_over_different_pairs():
    rows = torch.nn.functional.normalize(torch.randn(5, 7, generator=torch.Generator().manual_seed(0)), dim=1)
    cosines = rows @ rows.T
    expected = cosines[~torch.eye(5, dtype=torch.bool)].mean()
    torch.testing.assert_close(mean_similarity(rows), expected)


def test_the_target_is_what_most_triggered_images_are_taken_for(model, context, pairs):
    granted = context(clean_images=pairs.images)
    mask = torch.ones(1, 32, 32)
    trigger = LearntTrigger(target="", mask=mask, pattern=torch.full((3, 32, 32), 0.5))
    grey = torch.full((1, 3, 32, 32), 128, dtype=torch.uint8)
    classifier = model.classifier(granted.class_names, granted.templates)
    expected = granted.class_names[int(predict(model, classifier, grey)[0])]
    assert elicited(model, granted, pairs.images, trigger) == expected


def test_shadow_images_are_drawn_without_repetition(pairs):
    found = shadow_images(pairs.images, 10, seed=0)
    assert found.shape == (10, 3, 32, 32)
    assert len(found.flatten(1).unique(dim=0)) == 10
    assert not torch.equal(found, shadow_images(pairs.images, 10, seed=1))


def test_a_generator_starts_near_the_identity_and_takes_any_size():
    images = torch.rand(2, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    weights = initial_weights(8, seed=0)
    found = generated(images, weights, 8)
    assert 0 < (found - images).abs().mean() < 0.1
    trigger = LearntGenerator(target="heart", weights=weights, width=8)
    assert trigger.trigger(torch.rand(1, 3, 15, 15), torch.arange(1)).shape == (1, 3, 15, 15)


def test_benign_features_are_those_that_predictions_rest_on(model, context, pairs):
    reader = _Reader(model, context(clean_images=pairs.images), pairs.images)
    assert float(reader.clean.square().mean()) == pytest.approx(1, rel=1e-3)
    mask = BtiDbf(mask_epochs=300, mask_learning_rate=0.05).benign_mask(reader, torch.Generator().manual_seed(0))
    kept, lost = (reader.logits(part * reader.clean).argmax(dim=1) == reader.labels for part in (mask, 1 - mask))
    assert kept.float().mean() > lost.float().mean()


@pytest.mark.parametrize(
    "trigger",
    [
        LearntTrigger(target="star", mask=torch.rand(1, 32, 32), pattern=torch.rand(3, 32, 32)),
        LearntGenerator(target="moon", weights=initial_weights(4, seed=1), width=4),
    ],
)
def test_learnt_triggers_survive_a_file(trigger, tmp_path):
    save_attack(trigger, tmp_path)
    found, images = load_attack(tmp_path), torch.rand(2, 3, 32, 32)
    assert found.target == trigger.target
    assert torch.equal(found.trigger(images, torch.arange(2)), trigger.trigger(images, torch.arange(2)))


@pytest.mark.parametrize(
    "inverter",
    [Planted(), Decree(shadow=16, epochs=2, batch_size=8), BtiDbf(shadow=16, mask_epochs=2, epochs=1, batch_size=8)],
)
def test_inverters_return_triggers_of_known_classes(model, context, pairs, inverter):
    found = inverter(model, context(clean_images=pairs.images))
    images = torch.rand(3, 3, 32, 32)
    assert found.target in pairs.class_names
    marked = found.trigger(images, torch.arange(3))
    assert marked.min() >= 0 and marked.max() <= 1 and not torch.equal(marked, images)
