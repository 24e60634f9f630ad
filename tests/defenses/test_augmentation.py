import random

import torch

from benchmark.image_augmentation import auto_augmented
from benchmark.text_augmentation import SYNONYMS, augmented_captions, easy_augmented


def test_image_augmentation_is_a_function_of_the_seed_and_leaves_the_global_generator(pixels):
    before = torch.get_rng_state()
    first, again, other = (auto_augmented(pixels, seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.shape == pixels.shape
    assert first.min() >= 0 and first.max() <= 1


def test_images_of_a_group_share_their_policy(pixels):
    twins = pixels[:1].repeat(8, 1, 1, 1)
    grouped, single = auto_augmented(twins, 3, group=4), auto_augmented(twins, 3)
    assert torch.equal(grouped[:4], grouped[:1].repeat(4, 1, 1, 1))
    assert len({tuple(image.flatten().tolist()) for image in single}) > 2


def test_captions_are_edited_reproducibly_and_never_emptied(pairs):
    first = augmented_captions(pairs.captions, 1)
    assert first == augmented_captions(pairs.captions, 1)
    assert first != augmented_captions(pairs.captions, 2)
    assert all(first)
    changed = sum(new != old for new, old in zip(first, pairs.captions, strict=True))
    assert changed > len(first) / 3


def test_caption_without_letters_stays():
    assert easy_augmented("123!", random.Random(0)) == "123!"


def test_a_single_word_survives_every_edit():
    assert all(easy_augmented("heart", random.Random(seed)) for seed in range(40))


def test_synonyms_never_name_another_class(pairs):
    for name in pairs.class_names:
        assert name not in SYNONYMS
        assert all(name not in others for others in SYNONYMS.values())
