"""The normalization of a sample's numbers, (x * scale - mean) / std, in this order; and the presets for 8-bit images.

`x` is a number from the reader, converted to `dtype`: 0 to 255 for an 8-bit image. So `mean` and `std` are in units after `scale`, as in the
frameworks, and not in those of the file. This module uses only the standard library: the host checks recipes, and a worker prepares samples.
"""

from __future__ import annotations

from dataclasses import dataclass

from toolkit.samples.requested_set import StepsJson

FORMULA = "(x * scale - mean) / std"


@dataclass(frozen=True, slots=True)
class Preset:
    """The numbers of a usual normalization of 8-bit images: one for all channels, or one each for red, green and blue; `gives` describes it."""

    scale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]
    gives: str

    def steps(self) -> StepsJson:
        """Return the preset's steps as a recipe would declare them: all three, so that no step of another normalization remains."""
        return {"scale": self.scale, "mean": list(self.mean), "std": list(self.std)}


PRESETS = {
    # Like torchvision's ToTensor, TensorFlow's convert_image_dtype and Keras' Rescaling(1 / 255).
    "0..1": Preset(1 / 255, (0.0,), (1.0,), "x / 255"),
    # Mode "tf" of keras.applications.imagenet_utils.preprocess_input.
    "-1..1": Preset(1 / 127.5, (1.0,), (1.0,), "x / 127.5 - 1"),
    # Mode "torch" of the same function, and torchvision's models: mean and deviation of ImageNet's training images, for red, green and blue in [0,
    # 1].
    "imagenet": Preset(1 / 255, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "(x / 255 - mean) / std of ImageNet"),
}
