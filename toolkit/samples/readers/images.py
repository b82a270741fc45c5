"""Photographs in a folder, decoded with Pillow: (height, width, RGB), 8 bits, upright, in the order of their names.

Subfolders are classes: a sample's label is the place of its class in the sorted names, or in `classes`. Pillow does the resizing: it averages over
all source pixels when it shrinks, and `tf.image.resize` does so only with `antialias=True`. If a model was trained with another resizing, calibrate
it with that one: the `python` reader takes any function.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from toolkit.errors import InvalidSamples
from toolkit.samples.readers import Indexed, Reading, ReadRequest, Sample
from toolkit.samples.readers._folders import listing, samples_of, some
from toolkit.samples.readers._pictures import decode, opened
from toolkit.samples.requested_set import StepsJson

CACHED = True
ENVIRONMENT = "dataset"
SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")


@dataclass(frozen=True)
class Options:
    """`path`: the folder; `input`: the model's input, if it has several; `classes`: their order, if not sorted.

    `inputs`: a subfolder for each input; files of the same name belong together. With `labels` "none", subfolders are not classes. `masks`: a folder
    beside or in `path` with a picture of class indices of the same name for each image. It is the label of a segmentation, one byte a pixel, as the
    file has it (indices of a palette, or gray).
    """

    path: str
    input: str | None = None
    inputs: dict[str, str] | None = None
    labels: Literal["folders", "none"] = "folders"
    classes: tuple[str, ...] | None = None
    masks: str | None = None

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}


def recognize(data: str) -> tuple[Path, Options] | None:
    """Return options for a folder."""
    path = Path(data)
    return (path.parent, Options(path.name)) if path.is_dir() else None


def files(options: Options) -> dict[str, str]:
    """Return the folder."""
    return {"path": options.path, **({"masks": options.masks} if options.masks else {})}


def read(options: Options, files: Mapping[str, Path], asked: ReadRequest) -> Reading:
    """Return the samples, one per image file, sorted by path."""
    held = samples_of(files["path"], options, asked.names, SUFFIXES, "images")
    masks = _masks(files["masks"], held.origins) if "masks" in files else None

    def at(index: int) -> Sample:
        files = {name: paths[index] for name, paths in held.by_input.items()}
        inputs = {name: decode(path, path.relative_to(held.root).as_posix()) for name, path in files.items()}
        if masks is not None:
            return Sample(inputs, _indices(masks[index]), held.origins[index])
        return Sample(inputs, held.labels[index] if held.labels else None, held.origins[index])

    return Reading(Indexed(len(held.origins), at), held.findings, held.place(options.path))


def _masks(folder: Path, origins: Sequence[str]) -> list[Path]:
    """Return the mask of each image; InvalidSamples if an image has none, or more than one."""
    by_name: dict[str, list[Path]] = {}
    for path in listing(folder, SUFFIXES, "masks")[0]:
        by_name.setdefault(path.relative_to(folder).with_suffix("").as_posix(), []).append(path)
    counts = {origin: len(by_name.get(Path(origin).with_suffix("").as_posix(), [])) for origin in origins}
    wrong = [origin for origin, count in counts.items() if count != 1]
    if wrong:
        others = f"; none or several for: {some(wrong[1:])}" if len(wrong) > 1 else ""
        raise InvalidSamples(
            f"{wrong[0]}: has {counts[wrong[0]]} masks in {folder.name}; expected one with its name{others}"
        )
    return [by_name[Path(origin).with_suffix("").as_posix()][0] for origin in origins]


def _indices(path: Path) -> np.ndarray:
    """Return the class indices (height, width) of a mask, uint8."""
    with opened(path, path.name) as image:
        mode, indices = image.mode, np.array(image)
    if mode not in ("L", "P"):
        problem = f"{path.name}: is a picture of mode {mode}"
        raise InvalidSamples(f"{problem}; expected one with class indices, gray or with a palette")
    return indices


def arrange(pixels: np.ndarray, steps: StepsJson) -> np.ndarray:
    """Return 8-bit pixels in the declared size and colours, (height, width, channels); ValueError if `pixels` are no image.

    `size`: (height, width); `resize`: the filter; `crop` "center": keep the proportions and cut the edges; without it the image is stretched.
    `color`: "gray" is ITU-R 601-2 luma, Pillow's "L": (299 R + 587 G + 114 B) / 1000.
    """
    from PIL import Image, ImageOps

    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or pixels.shape[2:] not in ((), (1,), (3,)):
        raise ValueError(f"size and color need 8-bit images (height, width, 1 or 3), not {pixels.dtype} {pixels.shape}")
    image = Image.fromarray(pixels.reshape(pixels.shape[:2]) if pixels.shape[2:] == (1,) else pixels)
    if steps.get("color") == "gray":
        image = image.convert("L")
    elif "color" in steps and image.mode == "L":
        image = image.convert("RGB")
    if "size" in steps:
        height, width = steps["size"]
        resample = Image.Resampling[steps.get("resize", "bilinear").upper()]
        cut = steps.get("crop") == "center"
        image = ImageOps.fit(image, (width, height), resample) if cut else image.resize((width, height), resample)
    arranged = np.array(image)
    if image.mode == "L":
        arranged = arranged[:, :, np.newaxis]
    return arranged[:, :, ::-1] if steps.get("color") == "bgr" else arranged
