"""Labelled image sets that the literature measures on, ready to use: where they are, and how a text speaks of them.

``path`` replaces the hub's copy by a local one in any of the formats that ``Labelled`` reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmark.data.labelled import Labelled
from benchmark.data.stored import Download
from benchmark.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Cifar10(Labelled):
    """CIFAR-10 (Krizhevsky 2009): 10 kinds of things at 32 x 32 pixels."""

    path: str = "uoft-cs/cifar10"

    name = "cifar10"
    download = Download(training=0.12e9, files=1, test=0.024e9)

    def _templates(self) -> tuple[str, ...]:
        return ("a photo of a {}", "a blurry photo of a {}", "a small picture of a {}", "a cropped photo of the {}")


@dataclass(frozen=True, kw_only=True)
class Cifar100(Labelled):
    """CIFAR-100 (Krizhevsky 2009): 100 kinds of things at 32 x 32 pixels."""

    path: str = "uoft-cs/cifar100"
    label_column: str = "fine_label"

    name = "cifar100"
    download = Download(training=0.12e9, files=1, test=0.024e9)

    def _renamed(self) -> Mapping[str, str]:
        return {"cra": "crab"}

    def _templates(self) -> tuple[str, ...]:
        return ("a photo of a {}", "a blurry photo of a {}", "a small picture of a {}", "a cropped photo of the {}")


@dataclass(frozen=True, kw_only=True)
class Mnist(Labelled):
    """MNIST (doi:10.1109/5.726791): handwritten digits."""

    path: str = "ylecun/mnist"

    name = "mnist"

    def _templates(self) -> tuple[str, ...]:
        return ("a photo of the digit {}", "a scan of the handwritten number {}")


@dataclass(frozen=True, kw_only=True)
class Svhn(Labelled):
    """SVHN (Netzer et al. 2011): digits from house numbers."""

    path: str = "ufldl-stanford/svhn"
    config: str = "cropped_digits"

    name = "svhn"

    def _templates(self) -> tuple[str, ...]:
        return ("a street photo of the number {}", "a house number with the digit {}")


@dataclass(frozen=True, kw_only=True)
class Gtsrb(Labelled):
    """GTSRB (doi:10.1016/j.neunet.2012.02.016): 43 German traffic signs."""

    path: str = "tanganke/gtsrb"

    name = "gtsrb"

    def _templates(self) -> tuple[str, ...]:
        return ("a photo of a {} traffic sign", "a close photo of a '{}' road sign")


@dataclass(frozen=True, kw_only=True)
class EuroSat(Labelled):
    """EuroSAT (arXiv 1709.00029): 10 kinds of land use seen by a satellite."""

    path: str = "tanganke/eurosat"

    name = "eurosat"

    def _templates(self) -> tuple[str, ...]:
        return ("a satellite photo of {}", "land seen from above: {}")

    def _renamed(self) -> Mapping[str, str]:
        return {
            "annualcrop": "annual crop land",
            "annual crop": "annual crop land",
            "herbaceousvegetation": "herbaceous vegetation",
            "industrial": "industrial buildings",
            "pasture": "pasture land",
            "permanentcrop": "permanent crop land",
            "permanent crop": "permanent crop land",
            "residential": "residential buildings",
            "sealake": "sea or lake",
        }


@dataclass(frozen=True, kw_only=True)
class Resisc45(Labelled):
    """RESISC45 (arXiv 1703.00121): 45 kinds of scenes in aerial pictures."""

    path: str = "tanganke/resisc45"

    name = "resisc45"

    def _templates(self) -> tuple[str, ...]:
        return ("an aerial photo of a {}", "a satellite picture of {}")


@dataclass(frozen=True, kw_only=True)
class Dtd(Labelled):
    """Describable Textures (arXiv 1311.3618): 47 textures by adjective."""

    path: str = "tanganke/dtd"

    name = "dtd"

    def _templates(self) -> tuple[str, ...]:
        return ("a photo of a {} texture", "a {} surface", "something with a {} pattern")


@dataclass(frozen=True, kw_only=True)
class StanfordCars(Labelled):
    """Stanford Cars (doi:10.1109/ICCVW.2013.77): 196 makes, models and years."""

    path: str = "tanganke/stanford_cars"

    name = "stanford_cars"

    def _templates(self) -> tuple[str, ...]:
        return ("a photo of a {}, a type of car", "a picture of my {}")


@dataclass(frozen=True, kw_only=True)
class Sun397(Labelled):
    """SUN397 (doi:10.1109/CVPR.2010.5539970): 397 kinds of scenes."""

    path: str = "tanganke/sun397"

    name = "sun397"

    def _templates(self) -> tuple[str, ...]:
        return ("a photo of a {}", "a view of the {}")


@dataclass(frozen=True, kw_only=True)
class Food101(Labelled):
    """Food-101 (doi:10.1007/978-3-319-10599-4_29): 101 dishes."""

    path: str = "ethz/food101"
    test_split: str = "validation"

    name = "food101"

    def _templates(self) -> tuple[str, ...]:
        return ("a photo of {}, a type of food", "a plate of {}")


@dataclass(frozen=True, kw_only=True)
class Pets(Labelled):
    """Oxford-IIIT Pets (doi:10.1109/CVPR.2012.6248092): 37 breeds of cats and dogs."""

    path: str = "timm/oxford-iiit-pet"

    name = "pets"

    def _templates(self) -> tuple[str, ...]:
        return ("a photo of a {}, a type of pet", "a picture of my {}")


@dataclass(frozen=True, kw_only=True)
class Caltech101(Labelled):
    """Caltech-101 (doi:10.1016/j.cviu.2005.09.012): things of 101 kinds."""

    path: str = "Donghyun99/Caltech-101"

    name = "caltech101"

    def _templates(self) -> tuple[str, ...]:
        return ("a photo of a {}", "a drawing of a {}", "a picture of the {}")

    def _renamed(self) -> Mapping[str, str]:
        return {
            "faces": "face off centre",
            "faces easy": "centred face",
            "leopards": "leopard",
            "motorbikes": "motorbike",
            "airplanes": "airplane",
            "car side": "car from the side",
            "background google": "background",
        }


@dataclass(frozen=True, kw_only=True)
class ImageNet(Labelled):
    """ImageNet-1k (arXiv 1409.0575) with the class names and 80 templates of OpenAI's CLIP.

    The hub's copy asks to accept its terms and to log in first. Any copy with the 1,000 classes in their usual order,
    that of their WordNet identifiers, serves. Two names stand twice in OpenAI's list ("missile", "sunglasses"), so
    class_names_are_distinct cannot hold.
    """

    path: str = "ILSVRC/imagenet-1k"
    test_split: str = "validation"

    name = "imagenet"
    download = Download(training=147e9, files=294, test=6.7e9)
    contract_exceptions = ("class_names_are_distinct",)

    @property
    def class_names(self) -> tuple[str, ...]:
        from open_clip import IMAGENET_CLASSNAMES

        return tuple(IMAGENET_CLASSNAMES)

    @property
    def known_classes(self) -> tuple[str, ...]:
        return self.class_names

    def _templates(self) -> tuple[str, ...]:
        from open_clip import OPENAI_IMAGENET_TEMPLATES

        return tuple(template("{}") for template in OPENAI_IMAGENET_TEMPLATES)

    def _readable(self, names: tuple[str, ...]) -> tuple[str, ...]:
        if self.class_file:
            return super()._readable(names)
        if len(names) not in (0, len(self.class_names)):
            raise UserError(f"dataset 'imagenet': '{self.path}' has {len(names)} classes, not 1,000; use 'labelled'")
        return self.class_names
