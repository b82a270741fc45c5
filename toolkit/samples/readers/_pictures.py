"""Encoded images -> pixels, with Pillow."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.errors import InvalidSamples

_EIGHT_BITS = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "HSV")


def decode(encoded: Path | bytes, origin: str) -> np.ndarray:
    """Return the image of a file or of its content: (height, width, RGB) uint8, upright."""
    from PIL import ImageOps

    with opened(encoded, origin) as image:
        if image.mode not in _EIGHT_BITS:
            raise InvalidSamples(
                f"{origin}: pixels of mode {image.mode!r}, not 8 bits per channel",
                'save its values with numpy: kind = "arrays"',
            )
        return np.array(ImageOps.exif_transpose(image).convert("RGB"))


@contextlib.contextmanager
def opened(encoded: Path | bytes, origin: str) -> Iterator[Any]:
    """Open an image with Pillow; InvalidSamples if it does not decode, here or later, or has more pixels than Pillow's limit (89 million)."""
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about metadata that Pillow finds odd
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(encoded) if isinstance(encoded, bytes) else encoded) as image:
                yield image
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise InvalidSamples(f"{origin}: {error}", "scale it down, or remove it") from error
    except UnidentifiedImageError as error:  # its text has the path
        raise InvalidSamples(
            f"{origin}: does not decode: cannot identify image file", "replace or remove it"
        ) from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:  # Pillow's decoders raise these for damaged files
        raise InvalidSamples(f"{origin}: does not decode: {error}", "replace or remove it") from error
