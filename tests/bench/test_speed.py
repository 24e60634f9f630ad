"""Training and evaluation against the bare model: the same forward, backward and optimiser step, and nothing around."""

import torch

from benchmark.data.shapes import Shapes
from benchmark.evaluation import predict
from benchmark.losses import contrastive_soft
from benchmark.pixels import to_float
from benchmark.training import last, optimiser, overridden, train
from benchmark.types import Batch

FLOOR = 0.90
"""Below this share of the bare speed a benchmark fails; the goal is 0.95."""


def test_training(versus, model, spec, pairs):
    recipe = overridden(spec.finetune, epochs=1)
    bare = model.clone()
    tokens, step = bare.tokenize(pairs.captions), optimiser(bare, recipe, "both")
    rows = torch.arange(recipe.batch_size)
    batch = Batch(to_float(pairs.images[rows], bare.device), tokens[rows], None, pairs.ids[rows], rows)

    def bare_steps():
        bare.module.train()
        for _ in range(len(pairs) // recipe.batch_size):
            loss = contrastive_soft(bare, batch)
            step.zero_grad(set_to_none=True)
            loss.backward()
            step.step()

    def our_steps():
        last(train(model, pairs, recipe, seed=0))

    assert versus("training", our_steps, bare_steps, images=len(pairs)) > FLOOR


def test_evaluation(versus, model, pairs):
    classifier = model.classifier(pairs.class_names, Shapes.templates)
    images = to_float(pairs.images[torch.arange(500)], model.device)

    @torch.inference_mode()
    def bare_passes():
        model.module.eval()
        for _ in range(4):
            model.encode_images(images)

    def our_passes():
        predict(model, classifier, pairs.images[:2000])

    assert versus("evaluation", our_passes, bare_passes, images=2000) > FLOOR
