"""The training loop: independent snapshots, an untouched start, exact schedules, and policies that are kept."""

import copy
import math
import weakref
from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from benchmark.architectures import Recipe
from benchmark.errors import Diverged
from benchmark.losses import contrastive
from benchmark.models import MAX_LOGIT_SCALE, Clip
from benchmark.training import Meter, Trainer, epoch_rows, last, learning_rate, overridden, train

RECIPE = Recipe(learning_rate=1e-3, epochs=2, batch_size=8, warmup_steps=2, batch_norm="train")


def weights_of(model):
    return {name: value.clone() for name, value in model.weights().items()}


def same(first, second, names=None):
    return all(torch.equal(first[name], second[name]) for name in names or first)


def is_statistic(name):
    return name.split(".")[-1] in ("running_mean", "running_var", "num_batches_tracked")


@pytest.fixture
def trained(untrained, pairs):
    def run(**changes):
        options = {"seed": changes.pop("seed", 0)}
        options |= {name: changes.pop(name) for name in ("loss", "part", "meter") if name in changes}
        return train(untrained, changes.pop("pairs", None) or pairs(), replace(RECIPE, **changes), **options)

    return run


def test_a_snapshot_for_every_epoch_each_independent(trained):
    snapshots, kept = [], []
    for snapshot in trained(epochs=3):
        snapshots.append(snapshot)
        kept.append(weights_of(snapshot))
    assert len(snapshots) == 3
    assert all(same(snapshot.weights(), weights) for snapshot, weights in zip(snapshots, kept, strict=True))
    assert not same(kept[0], kept[1])
    with torch.no_grad():
        snapshots[0].module.logit_scale.add_(1)
    assert same(snapshots[1].weights(), kept[1])


def test_changing_a_snapshot_does_not_change_what_comes_after(trained):
    *_, undisturbed = trained()
    run = trained()
    first = next(run)
    with torch.no_grad():
        for parameter in first.module.parameters():
            parameter.zero_()
    assert same(undisturbed.weights(), last(run).weights())


def test_snapshots_are_ready_to_be_measured_and_trained_again(trained):
    for snapshot in trained(part="vision"):
        assert not any(module.training for module in snapshot.module.modules())
        assert all(p.requires_grad and p.grad is None for p in snapshot.module.parameters())


def test_the_start_is_never_changed(untrained, trained):
    before, modes = weights_of(untrained), [module.training for module in untrained.module.modules()]
    last(trained(part="vision"))
    assert same(before, untrained.weights())
    assert modes == [module.training for module in untrained.module.modules()]
    assert all(p.requires_grad and p.grad is None for p in untrained.module.parameters())


def test_the_seed_decides_everything(trained):
    torch.manual_seed(1)
    first = last(trained(shift=2, flip=True))
    torch.manual_seed(2)
    assert same(first.weights(), last(trained(shift=2, flip=True)).weights())
    assert not same(first.weights(), last(trained(shift=2, flip=True, seed=1)).weights())


def test_training_leaves_the_global_generator(trained):
    before = torch.get_rng_state()
    last(trained(shift=2, flip=True))
    assert torch.equal(before, torch.get_rng_state())


def test_training_lowers_the_loss(untrained, pairs):
    found = []

    def watched(model, batch):
        images, texts = model.encode_images(batch.images), model.encode_tokens(batch.tokens)
        loss = torch.nn.functional.cross_entropy(10 * images @ texts.T, torch.arange(len(images)))
        found.append(loss.item())
        return loss

    few = pairs(8, tuple(f"thing {number}" for number in range(8)))
    last(train(untrained, few, replace(RECIPE, epochs=15), seed=0, loss=watched))
    assert found[-1] < 0.7 * found[0]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_with_the_epoch_and_the_remedy(trained, value):
    run = trained(loss=lambda model, batch: model.logit_scale * value)
    with pytest.raises(Diverged, match="after epoch 1; lower the learning rate"):
        next(run)


def test_divergence_in_a_later_epoch_names_that_epoch(trained):
    steps = []

    def breaks_late(model, batch):
        steps.append(1)
        return model.logit_scale * (1.0 if len(steps) <= 3 else float("nan"))

    run = trained(loss=breaks_late)
    next(run)
    with pytest.raises(Diverged, match="after epoch 2"):
        next(run)


@pytest.mark.parametrize("change", [{"epochs": 0}, {"pairs": "one"}])
def test_nothing_to_train_on_is_an_error(trained, pairs, change):
    options = {"pairs": pairs(1)} if "pairs" in change else change
    with pytest.raises(Diverged, match="make no step"):
        next(trained(**options))


def test_warm_up_is_linear_and_the_cosine_ends_at_zero():
    recipe = Recipe(learning_rate=1.0, epochs=1, warmup_steps=10)
    rates = [learning_rate(recipe, step, 110) for step in range(111)]
    assert rates[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert rates[10] == 1.0
    assert rates[60] == pytest.approx(0.5)
    assert rates[35] == pytest.approx(0.5 + math.sqrt(0.5) / 2)
    assert rates[110] == pytest.approx(0.0, abs=1e-12)
    assert all(later < earlier for earlier, later in pairwise(rates[10:]))


def test_warm_up_takes_at_most_a_tenth_of_all_steps():
    recipe = Recipe(learning_rate=1.0, epochs=1, warmup_steps=50)
    assert learning_rate(recipe, 3, 40) == 1.0
    assert learning_rate(recipe, 4, 40) == 1.0
    assert learning_rate(recipe, 0, 5) == 1.0
    assert learning_rate(replace(recipe, warmup_steps=0), 0, 1000) == 1.0


def test_the_schedule_is_what_the_optimiser_steps_with(untrained, pairs, monkeypatch):
    rates = []
    step = torch.optim.AdamW.step

    def recorded(self, *arguments, **keywords):
        rates.append([group["lr"] for group in self.param_groups])
        return step(self, *arguments, **keywords)

    monkeypatch.setattr(torch.optim.AdamW, "step", recorded)
    recipe = replace(RECIPE, epochs=10)
    last(train(untrained, pairs(), recipe, seed=0))
    expected = [learning_rate(recipe, number, 30) for number in range(30)]
    assert [rate for rate, _ in rates] == expected == [rate for _, rate in rates]


def test_frozen_batch_norm_keeps_its_statistics_and_trains_its_weights(untrained, trained):
    frozen, moving = last(trained(batch_norm="frozen")), last(trained(batch_norm="train"))
    statistics = [name for name in untrained.weights() if is_statistic(name)]
    assert len(statistics) > 10
    assert same(untrained.weights(), frozen.weights(), statistics)
    assert not any(torch.equal(untrained.weights()[name], moving.weights()[name]) for name in statistics)
    assert not torch.equal(untrained.module.visual.bn1.weight, frozen.module.visual.bn1.weight)


@pytest.mark.parametrize(("part", "moves"), [("vision", True), ("text", False)])
def test_one_tower_trains_and_the_other_stays_to_the_bit(untrained, trained, part, moves):
    after, before = last(trained(part=part)).weights(), untrained.weights()
    parameters = [name for name, _ in untrained.module.named_parameters()]
    vision = [name for name in parameters if name.startswith("visual.")]
    text = [name for name in parameters if not name.startswith("visual.") and name != "logit_scale"]
    still, moved = (text, vision) if moves else (vision, text)
    assert same(before, after, [*still, "logit_scale"])
    assert not same(before, after, moved)


@pytest.mark.parametrize(("start", "kept"), [(9.0, MAX_LOGIT_SCALE), (-2.0, 0.0)])
def test_the_logit_scale_stays_within_its_bounds(untrained, pairs, start, kept):
    model = untrained.clone()
    with torch.no_grad():
        model.module.logit_scale.fill_(start)
    constant = train(model, pairs(), RECIPE, seed=0, loss=lambda model, batch: model.logit_scale * 0.0)
    assert last(constant).module.logit_scale.item() == pytest.approx(kept)


def test_weight_decay_spares_one_dimensional_weights(untrained, trained):
    def flat(model, batch):
        return sum(0.0 * parameter.sum() for parameter in model.module.parameters())

    before, after = untrained.weights(), last(trained(weight_decay=5.0, loss=flat)).weights()
    for name, parameter in untrained.module.named_parameters():
        if parameter.ndim >= 2:
            assert after[name].norm() < before[name].norm()
        elif name != "logit_scale":
            assert torch.equal(after[name], before[name])


def test_gradients_are_clipped_to_the_recipes_norm(untrained, pairs, monkeypatch):
    norms = []
    clip = torch.nn.utils.clip_grad_norm_

    def recorded(parameters, ceiling):
        clip(parameters, ceiling)
        norms.append(math.sqrt(sum(float(p.grad.square().sum()) for p in parameters if p.grad is not None)))

    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", recorded)
    last(train(untrained, pairs(), replace(RECIPE, clip_norm=0.01, epochs=1), seed=0))
    assert norms and max(norms) == pytest.approx(0.01, rel=1e-3)


def test_every_pair_is_seen_once_an_epoch_in_a_new_order():
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.cat(epoch_rows(50, 8, generator)).tolist() for _ in range(2))
    assert sorted(first) == sorted(second) == list(range(50))
    assert first != second


def test_a_last_batch_of_one_is_dropped():
    assert [len(batch) for batch in epoch_rows(17, 8, torch.Generator())] == [8, 8]
    assert [len(batch) for batch in epoch_rows(18, 8, torch.Generator())] == [8, 8, 2]


def test_losses_see_float_pixels_labels_ids_and_rows_that_belong_together(trained, pairs):
    few, seen = pairs(), []

    def watched(model, batch):
        seen.append(batch)
        return model.logit_scale * 1.0

    last(trained(loss=watched, epochs=1))
    for batch in seen:
        assert torch.equal(batch.images, few.images[batch.rows].float() / 255)
        assert torch.equal(batch.labels, few.labels[batch.rows])
        assert torch.equal(batch.ids, few.ids[batch.rows])
    assert sorted(torch.cat([batch.rows for batch in seen]).tolist()) == list(range(24))


def test_the_meter_counts_steps_and_pairs_over_calls(trained):
    meter = Meter()
    last(trained(meter=meter))
    assert (meter.steps, meter.pairs) == (6, 48)
    both = meter.trainable
    last(trained(meter=meter, part="vision", epochs=1))
    assert (meter.steps, meter.pairs) == (9, 72)
    assert meter.trainable == both > 0


def test_only_what_is_given_overrides_a_recipe():
    changed = overridden(RECIPE, learning_rate=None, epochs=7, weight_decay=0.0)
    assert changed == replace(RECIPE, epochs=7, weight_decay=0.0)
    assert copy.copy(RECIPE) == overridden(RECIPE)


def test_the_model_after_the_last_epoch_is_not_copied_again(trained, monkeypatch):
    copies, clone = [], Clip.clone
    monkeypatch.setattr(Clip, "clone", lambda self: copies.append(1) or clone(self))
    last(trained(epochs=1))
    assert len(copies) == 1  # of the start, which stays as it is
    last(trained(epochs=3))
    assert len(copies) == 1 + 3


def test_the_last_snapshot_is_all_that_is_kept(untrained):
    alive = weakref.WeakSet()

    def snapshots():
        for _ in range(6):
            model = copy.copy(untrained)
            alive.add(model)
            assert len(alive) <= 2
            yield model
            del model

    kept = last(snapshots())
    assert list(alive) == [kept]


def test_augmentation_is_drawn_in_the_order_of_the_batches(untrained, pairs):
    few, recipe = pairs(20), replace(RECIPE, shift=2, flip=True)

    def drawn():
        run = Trainer(untrained, few, recipe, loss=contrastive, seed=5, part="both", precision="float32")
        return list(run.reads(epoch_rows(20, 8, run.generator)))

    forwards, backwards = [read() for read in drawn()], [read() for read in reversed(drawn())]
    for first, second in zip(forwards, reversed(backwards), strict=True):
        assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))
    assert not torch.equal(forwards[0][5], forwards[1][5])
