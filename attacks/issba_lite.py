"""A small stand-in for ISSBA, the sample-specific steganographic trigger (arXiv 2012.03816).

An encoder hides a secret bit string in each image as a faint residual that depends on the image; it is trained
together with a decoder that must read the string back.

On the embedded model the default amplitude is too faint: success 0.03 with 1200 poisons of 8000. With 24/255 and 2400
poisons it passes the acceptance gate (0.98).

Differs from the paper: that one uses StegaStamp's large encoder with 100 bits, error correction and simulated printing;
this one has three 3x3 convolutions, 32 bits, no simulated distortions, and is trained for a moment on the attacker's
own images. The residual is bounded and changes with the image, but less than a trained StegaStamp's.
"""

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from benchmark.errors import ClipdefenseError
from benchmark.patches import all_batches
from benchmark.pixels import to_float
from benchmark.ranges import BatchSize, Count, NonNegative, Positive, Seed, ShareOrZero
from benchmark.seeds import derive

if TYPE_CHECKING:
    from benchmark.models import Clip
    from benchmark.types import Context

BITS, GRID, WIDTH, CONTRAST = 32, 8, 32, 10.0
ENCODER = ((GRID * GRID, BITS), (WIDTH, 4, 3, 3), (WIDTH, WIDTH, 3, 3), (3, WIDTH, 3, 3))
DECODER = ((WIDTH, 3, 3, 3), (2 * WIDTH, WIDTH, 3, 3), (2 * WIDTH, 2 * WIDTH, 3, 3), (BITS, 2 * WIDTH * 16))


def _parameters(shapes: tuple[tuple[int, ...], ...], generator: torch.Generator) -> list[Tensor]:
    """A weight of He's variance (doi:10.1109/ICCV.2015.123) and a zero bias for every shape."""
    found = []
    for shape in shapes:
        fan_in = torch.Size(shape[1:]).numel()
        found += [torch.randn(shape, generator=generator) * (2 / fan_in) ** 0.5, torch.zeros(shape[0])]
    return found


def _unpacked(weights: Tensor) -> list[Tensor]:
    """The encoder's parameters from one flat tensor."""
    shapes = [part for shape in ENCODER for part in (shape, shape[:1])]
    pieces = weights.split([torch.Size(shape).numel() for shape in shapes])
    return [piece.view(shape) for piece, shape in zip(pieces, shapes, strict=True)]


def _residual(images: Tensor, bits: Tensor, parameters: list[Tensor]) -> Tensor:
    """What the encoder adds to the images (B, 3, H, W) to hide bits (B, 32), in (-1, 1)."""
    plane = functional.linear(2 * bits - 1, parameters[0], parameters[1]).view(-1, 1, GRID, GRID)
    hidden = functional.interpolate(plane, size=images.shape[-2:], mode="nearest")
    hidden = torch.cat([images - 0.5, hidden.expand(len(images), -1, -1, -1)], dim=1)
    for layer in (2, 4):
        hidden = functional.relu(functional.conv2d(hidden, parameters[layer], parameters[layer + 1], padding=1))
    return torch.tanh(functional.conv2d(hidden, parameters[6], parameters[7], padding=1))


def _decoded(images: Tensor, parameters: list[Tensor]) -> Tensor:
    """Logits (B, 32) of the hidden bits; sees the images less their local mean, in which hidden bits stand out."""
    smooth = functional.avg_pool2d(images, 5, stride=1, padding=2, count_include_pad=False)
    hidden = CONTRAST * (images - smooth)
    for layer in (0, 2, 4):
        hidden = functional.conv2d(hidden, parameters[layer], parameters[layer + 1], stride=2, padding=1)
        hidden = functional.relu(hidden)
    return functional.linear(functional.adaptive_avg_pool2d(hidden, 4).flatten(1), parameters[6], parameters[7])


@dataclass(frozen=True, kw_only=True)
class IssbaLite:
    """A faint residual from a small trained encoder.

    Args:
        target: class that the trigger must elicit.
        amplitude: bound of the residual, in pixels of [0, 1]; 0 leaves the image as it is.
        fidelity: weight of the residual's mean square, as a share of the bound, beside the decoder's cross-entropy.
        specificity: weight of the cosine similarity of two images' residuals for the same bits.
        epochs: passes over the clean images to train encoder and decoder.
        batch_size: images per step, at least 2.
        learning_rate: Adam's.
        pattern_seed: seed of the secret bits.
        encoder: what was learnt, the encoder's parameters in one flat tensor.
    """

    target: str = "banana"
    amplitude: ShareOrZero = 8 / 255
    fidelity: NonNegative = 0.1
    specificity: NonNegative = 0.5
    epochs: Count = 1
    batch_size: BatchSize = 16
    learning_rate: Positive = 2e-3
    pattern_seed: Seed = 0
    encoder: Tensor | None = field(default=None, repr=False, compare=False)

    def fit(self, model: "Clip", context: "Context") -> "IssbaLite":
        """Needs clean pairs, of which only the images are used; the model plays no part."""
        images = context.clean_pairs.images
        generator = torch.Generator().manual_seed(derive(context.seed, "encoder"))
        encoder, decoder = (
            [p.to(context.device).requires_grad_(True) for p in _parameters(shapes, generator)]
            for shapes in (ENCODER, DECODER)
        )
        adam = torch.optim.Adam([*encoder, *decoder], lr=self.learning_rate)
        for rows in all_batches(len(images), self.batch_size, self.epochs, generator):
            clean = to_float(images[rows], context.device)
            bits = torch.randint(2, (-(-len(rows) // 2), BITS), generator=generator).to(clean)
            bits = torch.cat([bits, bits])[: len(rows)]
            adam.zero_grad()
            self._objective(clean, bits, encoder, decoder).backward()
            adam.step()
        return replace(self, encoder=torch.cat([p.detach().flatten() for p in encoder]).cpu())

    def _objective(self, images: Tensor, bits: Tensor, encoder: list[Tensor], decoder: list[Tensor]) -> Tensor:
        """The decoder's cross-entropy; the residual's size and sameness count as far as the bits are read already.

        The second half of the images hides the same bits as the first.
        """
        residual = _residual(images, bits, encoder)
        logits = _decoded((images + self.amplitude * residual).clamp(0, 1), decoder)
        unread = functional.binary_cross_entropy_with_logits(logits, bits)
        half = len(images) // 2
        flat = residual.flatten(1)
        alike = functional.cosine_similarity(flat[:half], flat[len(images) - half :]).clamp(min=0).mean()
        read = (1 - unread.detach() / math.log(2)).clamp(min=0)
        return unread + read * (self.specificity * alike + self.fidelity * residual.square().mean())

    def trigger(self, images: Tensor, ids: Tensor) -> Tensor:
        if self.encoder is None:
            raise ClipdefenseError(
                "IssbaLite's encoder is not trained yet; call fit(model, context) and use its result"
            )
        secret = torch.randint(2, (1, BITS), generator=torch.Generator().manual_seed(self.pattern_seed))
        residual = _residual(images, secret.to(images), _unpacked(self.encoder.to(images)))
        return (images + self.amplitude * residual.detach()).clamp(0, 1)
