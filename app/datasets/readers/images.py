"""Images in a zip archive, decoded by Pillow: PNG, JPEG, WebP and BMP, one frame, eight bits a channel.

The size that a file claims is checked before it is decoded, and its bytes decide what it is, not its name. Grey images
stay grey, all others become RGB (transparency is dropped). Values are 0 to 255; scaling is the job's.
"""

import io
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import BmpImagePlugin, Image, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

from app.datasets.readers.archive import Packed
from app.errors import InvalidData

IMAGE_COLUMN = "X"
MAX_PIXELS = 50_000_000
FORMATS = tuple(
    plugin.format
    for plugin in (
        PngImagePlugin.PngImageFile,
        JpegImagePlugin.JpegImageFile,
        WebPImagePlugin.WebPImageFile,
        BmpImagePlugin.BmpImageFile,
    )
)
_GREY = ("1", "L", "LA")
_COLOUR = ("RGB", "RGBA", "P", "CMYK", "YCbCr", "PA")


@dataclass(frozen=True)
class Looked:
    """What an archive of images holds: how many, their one shape (None where they differ), and their columns."""

    count: int
    shape: tuple[int, ...] | None
    columns: pa.Table


def look(packed: Packed) -> Looked:
    """Decode every image, one at a time, and keep none; raises InvalidData for the first that cannot be."""
    _check_columns(packed)
    shapes: set[tuple[int, ...]] = set()
    count = 0
    for pixels in decoded(packed):
        shapes.add(pixels.shape)
        count += 1
    return Looked(count, shapes.pop() if len(shapes) == 1 else None, packed.columns)


def read(packed: Packed, size: tuple[int, int] | None = None) -> pa.Table:
    """A table with ``X``, one float32 tensor [height, width(, 3)] a row; ``size`` (height, width) resizes bilinearly.

    Raises InvalidData where images differ in shape and no size is given, or where grey and colour are mixed.
    """
    _check_columns(packed)
    rows: list[NDArray[np.uint8]] = []
    for pixels in decoded(packed, size):
        if rows and pixels.shape != rows[0].shape:
            raise InvalidData(
                f"{packed.name}: images differ in shape ({list(rows[0].shape)} and {list(pixels.shape)}); "
                "give an image_size, or bring them to one size; and to one kind (all grey or all colour)"
            )
        rows.append(pixels)
        packed.limits.check_bytes(4 * pixels.size * len(packed.files), packed.name)
    tensor = pa.FixedShapeTensorArray.from_numpy_ndarray(np.stack(rows).astype(np.float32))
    return pa.table({IMAGE_COLUMN: tensor} | {c: packed.columns.column(c) for c in packed.columns.column_names})


def _check_columns(packed: Packed) -> None:
    if IMAGE_COLUMN in packed.columns.column_names:
        raise InvalidData(f"{packed.name}: the manifest has a column `{IMAGE_COLUMN}`, which the images are; rename it")


def decoded(packed: Packed, size: tuple[int, int] | None = None) -> Iterator[NDArray[np.uint8]]:
    """uint8[h, w] or uint8[h, w, 3] of each image, in order."""
    for file, data in packed.contents():
        where = f"{packed.name}: `{file}`"
        try:
            # a warning of Pillow's (a bomb, a truncated tag) is a refusal here
            with warnings.catch_warnings(action="error"), Image.open(io.BytesIO(data), formats=FORMATS) as image:
                _check_header(image, where)
                whole = image.convert("L" if image.mode in _GREY else "RGB")
        except (OSError, SyntaxError, ValueError, Warning, Image.DecompressionBombError) as error:
            raise InvalidData(
                f"{where} is no PNG, JPEG, WebP or BMP image that can be decoded ({error}); save it again"
            ) from None
        if size is not None:
            whole = whole.resize((size[1], size[0]), Image.Resampling.BILINEAR)
        yield np.asarray(whole, dtype=np.uint8)


def _check_header(image: Image.Image, where: str) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise InvalidData(f"{where} has {width} x {height} pixels, and {MAX_PIXELS} are allowed; make it smaller")
    if getattr(image, "n_frames", 1) > 1:
        raise InvalidData(f"{where} has several frames; save one of them")
    if image.mode not in _GREY and image.mode not in _COLOUR:
        raise InvalidData(f"{where} is of mode {image.mode}; save it with eight bits a channel, grey or RGB")
