"""Photographs in a folder, decoded with Pillow: (height, width, RGB), 8 bits, upright, in the order of their names.

Subfolders are classes: a sample's label is its class's place in the sorted names, or in `classes`. Resizing is
Pillow's: shrinking averages over all source pixels, which `tf.image.resize` does only with `antialias=True`. A model
that was trained with something else is calibrated with that instead: the `python` reader takes any function.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from toolkit.errors import InvalidSamples, suggestion
from toolkit.readers import Asked, Indexed, Reading, Sample

CACHED = True
SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
_EIGHT_BITS = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "HSV")


@dataclass(frozen=True)
class Options:
    """`path`: the folder; `input`: the model's input, where it has several; `classes`: their order, if not sorted.

    `labels` "none" takes subfolders as mere folders.
    """

    path: str
    input: str | None = None
    labels: Literal["folders", "none"] = "folders"
    classes: tuple[str, ...] | None = None

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}


def recognize(data: str) -> tuple[Path, Options] | None:
    """Return options for a folder."""
    path = Path(data)
    return (path.parent, Options(path.name)) if path.is_dir() else None


def files(options: Options) -> dict[str, str]:
    """Return the folder."""
    return {"path": options.path}


def read(options: Options, files: Mapping[str, Path], asked: Asked) -> Reading:
    """Return the samples, one per image file, sorted by path."""
    folder = files["path"]
    if not folder.is_dir():
        raise InvalidSamples(f"{folder.name}: is a file; a folder of images would be right")
    name = options.input or (asked.names[0] if len(asked.names) == 1 else None)
    if name is None:
        raise InvalidSamples(
            f"the model has the inputs {list(asked.names)}; [reader] input = says which one takes the images"
        )
    images, skipped = _listing(folder)
    labels = _labels(folder, images, options) if options.labels == "folders" else None

    def at(index: int) -> Sample:
        origin = images[index].relative_to(folder).as_posix()
        return Sample({name: _decode(images[index], origin)}, labels[index] if labels else None, origin)

    findings = []
    if skipped:
        message = f"{len(skipped)} files that are no images ({', '.join(SUFFIXES)}) were left out, {skipped[0]!r} first"
        findings.append({"code": "skipped-files", "severity": "info", "message": message, "count": len(skipped)})
    return Reading(Indexed(len(images), at), findings)


def _listing(folder: Path) -> tuple[list[Path], list[str]]:
    """Return the image files, and the names of what else lies there; hidden files are nobody's samples."""
    images, skipped = [], []
    for path in sorted(folder.rglob("*"), key=lambda path: path.relative_to(folder).as_posix()):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not any(part.startswith(".") for part in Path(name).parts):
            if path.suffix.lower() in SUFFIXES:
                images.append(path)
            else:
                skipped.append(name)
    return images, skipped


def _labels(folder: Path, images: list[Path], options: Options) -> list[int] | None:
    """Return each image's class, None if all images lie in the folder itself."""
    found = [path.relative_to(folder).parts[0] if path.parent != folder else None for path in images]
    names = sorted({name for name in found if name is not None})
    if not names:
        return None
    if None in found:
        stray = images[found.index(None)].name
        raise InvalidSamples(
            f"{stray} lies beside the class folders {', '.join(names)}, so it has no label",
            'move it into one of them, or declare [reader] labels = "none"',
        )
    order = list(options.classes or names)
    unknown = [name for name in names if name not in order]
    if unknown:
        raise InvalidSamples(f"class folder {unknown[0]!r}: not among `classes`; {suggestion(unknown[0], order)}")
    return [order.index(name) for name in found if name is not None]


def _decode(path: Path, origin: str) -> np.ndarray:
    """Return the image, (height, width, 3) uint8."""
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of metadata that Pillow finds odd
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                if image.mode not in _EIGHT_BITS:
                    raise InvalidSamples(
                        f"{origin}: pixels of mode {image.mode!r}, not 8 bits per channel",
                        'save its values with numpy: kind = "arrays"',
                    )
                return np.array(ImageOps.exif_transpose(image).convert("RGB"))
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise InvalidSamples(f"{origin}: {error}", "scale it down, or remove it") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:  # what Pillow's decoders raise for damaged files
        raise InvalidSamples(f"{origin}: does not decode: {error}", "replace or remove the file") from error


def arrange(pixels: np.ndarray, steps: Mapping[str, Any]) -> np.ndarray:
    """Return 8-bit pixels in the declared size and colours, (height, width, channels); ValueError if they are no image.

    `size`: (height, width); `resize`: the filter; `crop` "center": keep the proportions, cut what is over; without it
    the image is stretched. `color`: "gray" is ITU-R 601-2 luma, Pillow's "L": (299 R + 587 G + 114 B) / 1000.
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
