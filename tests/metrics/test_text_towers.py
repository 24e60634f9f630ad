"""A text classifier is built once per text tower: never again while the tower is the same, always when it changed."""

import pytest
import torch

from benchmark.architectures import model_spec
from benchmark.models import Clip
from benchmark.recent_tensors import RecentTensors
from benchmark.text_towers import checksum, identity

NAMES, TEMPLATES = ("ship", "cat"), ("a photo of a {}", "one {}")


@pytest.fixture
def built(monkeypatch):
    """How many texts went through a text tower since the last call; nothing is kept from other tests."""
    counts, encode = [], Clip.encode_tokens

    def counted(self, tokens):
        counts.append(len(tokens))
        return encode(self, tokens)

    def since():
        total = sum(counts)
        counts.clear()
        return total

    monkeypatch.setattr(Clip, "encode_tokens", counted)
    monkeypatch.setattr("benchmark.models._CLASSIFIERS", RecentTensors(10**6))
    return since


def plain(model, texts_of_classes):
    """The definition, one class at a time."""
    rows = []
    for texts in texts_of_classes:
        mean = model.encode_texts(texts).mean(dim=0)
        rows.append(mean / mean.norm())
    return torch.stack(rows)


def changed(model, name, row=0):
    """A copy in which one number of one weight is another."""
    twin = model.clone()
    with torch.no_grad():
        twin.module.state_dict()[name].view(-1)[row].add_(0.25)
    return twin


def text_weights(model):
    return [n for n, _ in model.module.named_parameters() if n.partition(".")[0] not in ("visual", "logit_scale")]


def test_a_classifier_is_the_plain_definition(untrained, built):
    found = untrained.classifier(NAMES, TEMPLATES)
    expected = plain(untrained, [["a photo of a ship", "one ship"], ["a photo of a cat", "one cat"]])
    assert torch.allclose(found, expected, atol=1e-6)
    assert torch.equal(untrained.classifier(NAMES, TEMPLATES), found)


def test_a_changed_vision_tower_and_temperature_build_nothing(untrained, built):
    found = untrained.classifier(NAMES, TEMPLATES)
    assert built() == 4
    twin = untrained.clone()
    with torch.no_grad():
        twin.module.logit_scale.fill_(1.0)
        for parameter in twin.module.visual.parameters():
            parameter.zero_()
    assert torch.equal(twin.classifier(NAMES, TEMPLATES), found)
    assert built() == 0


def test_every_weight_of_the_text_tower_counts(untrained, built):
    untrained.classifier(NAMES, TEMPLATES)
    tokens = untrained.tokenize(["a photo of a ship"])
    row = int(tokens[0, 1]) * untrained.module.token_embedding.weight.shape[1]
    names = text_weights(untrained)
    assert len(names) > 10
    for name in names:
        built()
        other = changed(untrained, name, row if name == "token_embedding.weight" else 0)
        found = other.classifier(NAMES, TEMPLATES)
        assert built() == 4, name
        expected = plain(other, [[t.format(n) for t in TEMPLATES] for n in NAMES])
        assert torch.allclose(found, expected, atol=1e-6)


def test_a_weight_changed_in_place_counts(untrained, built):
    model = untrained.clone()
    before = model.classifier(NAMES, TEMPLATES)
    model.module.text_projection.data[0].neg_()
    assert not torch.allclose(model.classifier(NAMES, TEMPLATES), before, atol=1e-3)


def test_names_templates_and_prompts_count(untrained, built):
    untrained.classifier(NAMES, TEMPLATES)
    built()
    other = [
        untrained.classifier(("ship", "dog"), TEMPLATES),
        untrained.classifier(NAMES[::-1], TEMPLATES),
        untrained.classifier(NAMES, TEMPLATES[:1]),
        untrained.classifier(NAMES, TEMPLATES, lambda texts: [f"consider {text}" for text in texts]),
        untrained.classifier([template.format(name) for name in NAMES for template in TEMPLATES], ("{}",)),
    ]
    assert built() == 4 + 4 + 2 + 4 + 4
    assert [len(weights) for weights in other] == [2, 2, 2, 2, 4]


def test_another_kind_of_layer_counts(untrained, built):
    class Loud(torch.nn.GELU):
        pass

    untrained.classifier(NAMES, TEMPLATES)
    twin = untrained.clone()
    twin.module.transformer.resblocks[0].mlp.gelu = Loud()
    built()
    twin.classifier(NAMES, TEMPLATES)
    assert built() == 4


def test_a_tower_that_something_listens_to_is_always_asked(untrained, built):
    twin = untrained.clone()
    twin.module.ln_final.register_forward_hook(lambda module, inputs, output: output * 2 + 1)
    for _ in range(2):
        built()
        found = twin.classifier(NAMES, TEMPLATES)
        assert built() == 4
    assert not torch.allclose(found, untrained.classifier(NAMES, TEMPLATES), atol=1e-3)


def test_who_changes_a_classifier_changes_no_other(untrained, built):
    found = untrained.classifier(NAMES, TEMPLATES)
    kept = found.clone()
    found.zero_()
    assert torch.equal(untrained.classifier(NAMES, TEMPLATES), kept)


def test_a_classifier_built_without_gradients_serves_where_they_are_taken(untrained, built):
    with torch.inference_mode():
        untrained.classifier(NAMES, TEMPLATES)
    weights = untrained.classifier(NAMES, TEMPLATES)
    leaf = torch.ones(1, weights.shape[1], requires_grad=True)
    (leaf @ weights.T).sum().backward()
    assert torch.equal(leaf.grad[0], weights.sum(dim=0))


@pytest.mark.parametrize("name", ["tiny-resnet", "tiny-vit"])
def test_a_model_is_in_evaluation_mode_after_its_classifier_was_found(name, built):
    model = Clip.untrained(model_spec(name), 0)
    for _ in range(2):
        model.module.train()
        model.classifier(NAMES, TEMPLATES)
        assert not any(module.training for module in model.module.modules())


def test_texts_are_read_once_and_tokens_are_nobodys(untrained, monkeypatch):
    texts = ["a rare text about a quokka", "another one", "another one"]
    first = untrained.tokenize(texts)
    monkeypatch.setattr("benchmark.models.tokenizer", None)
    kept = first.clone()
    first.zero_()
    second = untrained.tokenize(iter(texts))
    assert torch.equal(second, kept)
    assert second.dtype == torch.long
    assert torch.equal(second[1], second[2])


def test_the_identity_is_the_same_in_every_process(untrained):
    tokens = torch.tensor([[1, 2, 3]])
    ones = untrained.clone()
    with torch.no_grad():
        for parameter in ones.module.parameters():
            parameter.fill_(0.5)
    assert identity(ones.module, tokens) == identity(ones.clone().module, tokens)
    assert identity(ones.module, tokens) != identity(ones.module, tokens, "other circumstances")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64, torch.int64, torch.bool])
@pytest.mark.parametrize("count", [1, 4096, 10_000])
def test_any_changed_element_changes_the_checksum(dtype, count):
    multipliers = 2 * torch.randint(2**62, (4096,), generator=torch.Generator().manual_seed(1)) + 1
    values = (torch.arange(count) % 7).to(dtype)
    sums = {int(checksum(values, multipliers))}
    places = sorted({0, count // 2, count - 1})
    for place in places:
        other = values.clone()
        other[place] = other[place] == 0
        sums.add(int(checksum(other, multipliers)))
    assert len(sums) == 1 + len(places)


def test_order_and_sign_change_the_checksum():
    multipliers = 2 * torch.randint(2**62, (4096,), generator=torch.Generator().manual_seed(1)) + 1
    values = torch.linspace(1, 2, 9000)
    variants = [values, values.flip(0), -values, values.roll(1), values.roll(4096)]
    assert len({int(checksum(variant, multipliers)) for variant in variants}) == len(variants)
