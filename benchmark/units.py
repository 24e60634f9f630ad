"""Prunable units of the vision tower, by kind and depth.

A unit is a convolution's output channel, a channel of a residual stage, a hidden unit of a transformer's MLP, or an
attention head. Removing one sets every weight that carries it to exactly zero; the text tower is never touched.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from open_clip.modified_resnet import ModifiedResNet
from open_clip.transformer import VisionTransformer
from torch import nn

from benchmark.errors import ClipdefenseError
from benchmark.models import Clip

Kind = Literal["channels", "stage", "hidden", "heads", "block"]


@dataclass(frozen=True, kw_only=True)
class UnitLayer:
    """``count`` units of one kind in one place.

    Attributes:
        name: of the module that the units belong to, unique among layers of a kind.
        kind: "channels" (a convolution with the BatchNorm ``name`` behind it), "stage" (the output of a residual
            stage), "hidden" (an MLP), "heads" (an attention), "block" (the tokens behind a transformer block, to look
            at only).
        count: number of units.
        zeroed: names and dimensions of the parameters along which the units are removed.
        probe: module whose output is the units' activation; empty for heads.
        gate: module whose output a mask multiplies, equal to removal at 0; empty for stages and heads.
        width: consecutive entries per unit along the dimensions of ``zeroed``.
        source: module whose weight computes the units; empty for stages.
    """

    name: str
    kind: Kind
    count: int
    zeroed: tuple[tuple[str, int], ...]
    probe: str = ""
    gate: str = ""
    width: int = 1
    source: str = ""

    @property
    def unit_dim(self) -> int:
        """The dimension of the probe's output that runs over units."""
        return -1 if self.kind in ("hidden", "block") else 1


def is_resnet(model: Clip) -> bool:
    return isinstance(model.module.visual, ModifiedResNet)


def _tower(model: Clip) -> Any:
    visual = model.module.visual
    if not isinstance(visual, ModifiedResNet | VisionTransformer):
        raise ClipdefenseError(
            f"model '{model.spec.name}' has a vision tower of type '{type(visual).__name__}', whose units are not "
            "known; prune an open_clip ResNet or ViT"
        )
    return visual


def _norm_parameters(norm: str) -> tuple[tuple[str, int], ...]:
    return (f"{norm}.weight", 0), (f"{norm}.bias", 0)


def _activation_after(norm: str, modules: Mapping[str, nn.Module]) -> str:
    activation = norm.replace("bn", "act")
    last = norm.endswith("bn3") and ".layer" in norm  # its activation sees the residual sum instead
    return norm if last or activation not in modules else activation


def channel_layers(model: Clip) -> list[UnitLayer]:
    """Every convolution with its BatchNorm, in order of depth; empty for a ViT."""
    visual, layers, convolution = _tower(model), [], ""
    modules = {f"visual.{name}": module for name, module in visual.named_modules()}
    for name, module in modules.items():
        if isinstance(module, nn.Conv2d):
            convolution = name
        elif isinstance(module, nn.BatchNorm2d):
            layers.append(
                UnitLayer(
                    name=name,
                    kind="channels",
                    count=module.num_features,
                    zeroed=_norm_parameters(name),
                    probe=_activation_after(name, modules),
                    gate=name,
                    source=convolution,
                )
            )
    return layers


def stage_layers(model: Clip) -> list[UnitLayer]:
    """The output channels of each residual stage; removing one silences it in every block. Empty for a ViT."""
    visual = _tower(model)
    if not isinstance(visual, ModifiedResNet):
        return []
    layers = []
    for name in ("layer1", "layer2", "layer3", "layer4"):
        blocks: Any = getattr(visual, name)
        norms = [f"visual.{name}.{row}.bn3" for row in range(len(blocks))] + [f"visual.{name}.0.downsample.1"]
        zeroed = tuple(pair for norm in norms for pair in _norm_parameters(norm))
        count = blocks[-1].bn3.num_features
        layers.append(
            UnitLayer(name=f"visual.{name}", kind="stage", count=count, zeroed=zeroed, probe=f"visual.{name}")
        )
    return layers


def hidden_layers(model: Clip) -> list[UnitLayer]:
    """The hidden units of every MLP, in order of depth; empty for a ResNet."""
    visual = _tower(model)
    if not isinstance(visual, VisionTransformer):
        return []
    layers = []
    for row, block in enumerate(visual.transformer.resblocks):
        name = f"visual.transformer.resblocks.{row}.mlp"
        zeroed = ((f"{name}.c_fc.weight", 0), (f"{name}.c_fc.bias", 0), (f"{name}.c_proj.weight", 1))
        gate = f"{name}.gelu"
        layers.append(
            UnitLayer(
                name=name,
                kind="hidden",
                count=block.mlp.c_fc.out_features,
                zeroed=zeroed,
                probe=gate,
                gate=gate,
                source=f"{name}.c_fc",
            )
        )
    return layers


def head_layers(model: Clip) -> list[UnitLayer]:
    """The heads of every attention of a ViT, or of a ResNet's attention pooling."""
    visual = _tower(model)
    if isinstance(visual, ModifiedResNet):
        heads, name = visual.attnpool.num_heads, "visual.attnpool"
        width = visual.attnpool.c_proj.in_features // heads
        return [UnitLayer(name=name, kind="heads", count=heads, zeroed=((f"{name}.c_proj.weight", 1),), width=width)]
    return [
        UnitLayer(
            name=f"visual.transformer.resblocks.{row}.attn",
            kind="heads",
            count=block.attn.num_heads,
            zeroed=((f"visual.transformer.resblocks.{row}.attn.out_proj.weight", 1),),
            width=block.attn.head_dim,
        )
        for row, block in enumerate(visual.transformer.resblocks)
    ]


def inner_layers(model: Clip) -> list[UnitLayer]:
    """The units that carry a gate: channels of a ResNet, hidden units of a ViT."""
    return channel_layers(model) if is_resnet(model) else hidden_layers(model)


def late_layers(model: Clip, depth: int) -> list[UnitLayer]:
    """The gated units of the last ``depth`` residual stages or transformer blocks; 0 means all of the tower."""
    layers = inner_layers(model)
    if not depth:
        return layers
    places = tuple(f"{layer.name}." for layer in stage_layers(model)[-depth:])
    return [layer for layer in layers if layer.name.startswith(places)] if places else layers[-depth:]


def output_layers(model: Clip) -> list[UnitLayer]:
    """The coarse units by depth: stage channels of a ResNet, hidden units of a ViT."""
    return stage_layers(model) if is_resnet(model) else hidden_layers(model)


def block_layers(model: Clip) -> list[UnitLayer]:
    """What leaves each residual stage of a ResNet or each block of a ViT, in order of depth."""
    if is_resnet(model):
        return stage_layers(model)
    blocks = _tower(model).transformer.resblocks
    names = [f"visual.transformer.resblocks.{row}" for row in range(len(blocks))]
    width = blocks[0].mlp.c_fc.in_features
    return [UnitLayer(name=name, kind="block", count=width, zeroed=(), probe=name) for name in names]
