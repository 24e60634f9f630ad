"""Every rule for detectors catches the fault that it is there for, and faithful detectors of every kind pass."""

from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch

from benchmark.contract import ContractViolation, detector_checks, run_checks


@dataclass(frozen=True, kw_only=True)
class OfPairs:
    """Scores pairs by their brightness and the length of their caption."""

    needs: ClassVar[frozenset[str]] = frozenset({"training_pairs"})

    def score(self, model, pairs, context):
        lengths = torch.tensor([len(caption) for caption in pairs.captions])
        return pairs.images.float().mean(dim=(1, 2, 3)) + lengths


@dataclass(frozen=True, kw_only=True)
class OfImages:
    """Scores images by their brightness and seeded noise that is the same for all."""

    needs: ClassVar[frozenset[str]] = frozenset({"clean_images"})

    def score(self, model, images, context):
        assert len(context.clean_images) > 0
        generator = torch.Generator().manual_seed(context.seed)
        return images.mean(dim=(1, 2, 3)) + torch.rand((), generator=generator)


@dataclass(frozen=True, kw_only=True)
class OfModels:
    """Scores a model by its temperature."""

    needs: ClassVar[frozenset[str]] = frozenset()

    def score(self, model, context):
        return float(model.logit_scale.detach())


def broken(base, score, **members):
    return dataclass(frozen=True, kw_only=True)(
        type("Broken", (base,), {"__doc__": "A fault.", "score": score, **members})
    )()


def in_training_mode(self, model, pairs, context):
    model.module.train()
    return OfPairs.score(self, model, pairs, context)


def rewritten_weights(self, model, context):
    with torch.no_grad():
        model.module.logit_scale.add_(1e-3)
    return 0.0


def darkened(self, model, images, context):
    images.mul_(0.5)
    return OfImages.score(self, model, images, context)


def blackened(self, model, pairs, context):
    pairs.images[0] = 0
    return OfPairs.score(self, model, pairs, context)


def unseeded(self, model, images, context):
    return images.mean(dim=(1, 2, 3)) + torch.rand(len(images))


def compared(self, model, images, context):
    found = images.mean(dim=(1, 2, 3))
    return found - found.mean()


def cheating(self, model, images, context):
    context.trigger.trigger(images, torch.arange(len(images)))
    return images.mean(dim=(1, 2, 3))


CASES = [
    ("needs_are_known", broken(OfPairs, OfPairs.score, needs=frozenset({"pairs"}))),
    ("architectures_are_known", broken(OfModels, OfModels.score, architectures=frozenset({"mlp"}))),
    ("score_takes_what_it_scores", broken(OfPairs, lambda self, model, samples, context: 0.0)),
    ("score_takes_what_it_scores", broken(OfPairs, OfPairs.score, needs=frozenset())),
    ("runs_with_declared_resources_alone", broken(OfImages, cheating)),
    ("runs_with_declared_resources_alone", broken(OfModels, lambda self, model, context: 1 / 0)),
    ("scores_are_finite_numbers", broken(OfPairs, lambda self, model, pairs, context: torch.zeros(len(pairs), 1))),
    ("scores_are_finite_numbers", broken(OfPairs, lambda self, model, pairs, context: torch.arange(len(pairs)))),
    ("scores_are_finite_numbers", broken(OfImages, lambda self, model, images, context: images.mean((1, 2, 3)) / 0)),
    ("scores_are_finite_numbers", broken(OfModels, lambda self, model, context: float("nan"))),
    ("scores_are_finite_numbers", broken(OfModels, lambda self, model, context: torch.zeros(()))),
    ("is_seeded", broken(OfImages, unseeded)),
    ("leaves_the_model", broken(OfPairs, in_training_mode)),
    ("leaves_the_model", broken(OfModels, rewritten_weights)),
    ("leaves_its_resources", broken(OfImages, darkened)),
    ("leaves_its_resources", broken(OfPairs, blackened)),
    ("leaves_global_generators", broken(OfImages, unseeded)),
    ("scores_ignore_other_images", broken(OfImages, compared)),
]
RULES_OF_EVERY_PLUGIN = {
    "exceptions_are_known",
    "is_frozen_dataclass",
    "fields_are_keyword_only",
    "fields_are_scalars_with_defaults",
    "contract_settings_are_fields",
    "builds_without_arguments",
}


@pytest.mark.parametrize(("name", "detector"), CASES, ids=[f"{n}-{name}" for n, (name, _) in enumerate(CASES)])
def test_the_check_catches_its_fault(name, detector):
    check = next(check for check in detector_checks(detector) if check.name == name)
    with pytest.raises(ContractViolation, match="detector 'Broken'"):
        check.run()


@pytest.mark.parametrize("detector", [OfPairs(), OfImages(), OfModels()])
def test_a_faithful_detector_passes_every_check(detector):
    assert [outcome for outcome in run_checks(detector_checks(detector)) if outcome.error] == []


def test_every_check_has_a_fault_that_it_catches():
    names = {check.name for check in detector_checks(OfImages())}
    assert names == {name for name, _ in CASES} | RULES_OF_EVERY_PLUGIN
