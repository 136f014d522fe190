"""Images in a zip archive, decoded by Pillow: PNG, JPEG, WebP and BMP, one picture, eight bits a channel.

The size that a file claims is checked before it is decoded, and its bytes decide what it is, not its name. Photos stand
upright, as their EXIF says. Grey images stay grey and all others become RGB (transparency is dropped); where an archive
has both, all become RGB. 16-bit grey is brought to eight bits. Values are 0 to 255; scaling is the job's.
"""

import hashlib
import io
import struct
import warnings
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import BmpImagePlugin, Image, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

from app.datasets.readers.archive import Packed
from app.datasets.readers.findings import with_findings
from app.datasets.readers.types import is_tensor
from app.errors import InvalidData
from contract.rows.findings import Finding, Severity

IMAGE_COLUMN = "X"
_ORIENTATION = 0x0112
# what Pillow weighs red, green and blue by where it turns a picture grey (ITU-R 601)
_LUMA = np.array([299.0, 587.0, 114.0]) / 1000.0
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
FORMATS = tuple(
    plugin.format
    for plugin in (
        PngImagePlugin.PngImageFile,
        JpegImagePlugin.JpegImageFile,
        WebPImagePlugin.WebPImageFile,
        BmpImagePlugin.BmpImageFile,
    )
)
_GREY = ("1", "L", "LA", "La")
_GREY_16 = ("I;16", "I;16L", "I;16B", "I;16N", "I")
_COLOUR = ("RGB", "RGBA", "RGBX", "RGBa", "P", "CMYK", "YCbCr", "PA", "HSV", "LAB")
_BAD = (
    OSError, SyntaxError, ValueError, Warning, Image.DecompressionBombError, struct.error, LookupError, TypeError,
    AttributeError, EOFError, ArithmeticError, AssertionError, NotImplementedError, zlib.error,
)  # fmt: skip


@dataclass
class Seen:
    """What was noticed of the pictures that were decoded: how many, and how many of each kind."""

    count: int = 0
    grey: int = 0
    turned: int = 0
    several: int = 0
    deep: int = 0
    pixels: int = 0

    def findings(self) -> list[Finding]:
        """That, in sentences."""
        findings = []
        if 0 < self.grey < self.count:
            findings.append(
                _note("mixed_colour", "are grey and the others are not; all are read as colour", self.grey, self)
            )
        if self.turned:
            findings.append(_note("exif_orientation", "were turned upright, as their EXIF says", self.turned, self))
        if self.several:
            findings.append(
                _note("several_pictures", "hold several pictures (MPO); the first is read", self.several, self)
            )
        if self.deep:
            findings.append(_note("sixteen_bits", "have 16 bits a point, and are brought to 8", self.deep, self))
        return findings


def _note(code: str, what: str, rows: int, seen: Seen) -> Finding:
    detail = f"{rows} of {seen.count} images {what}"
    return Finding(code=code, severity=Severity.NOTE, detail=detail, rows=rows, share=round(rows / seen.count, 6))


@dataclass(frozen=True)
class Looked:
    """What an archive of images holds: how many, their one shape (None where they differ), their columns, which carry
    what was noticed, and 64 bits of each picture uint64[count]."""

    count: int
    shape: tuple[int, ...] | None
    columns: pa.Table
    hashes: NDArray[np.uint64]


def look(packed: Packed) -> Looked:
    """Decode every image, one at a time, and keep none; raises InvalidData for the first that cannot be."""
    _check_columns(packed)
    sizes: set[tuple[int, ...]] = set()
    seen = Seen()
    hashes = []
    for pixels in decoded(packed, seen=seen):
        sizes.add(pixels.shape[:2])
        hashes.append(_print(pixels))
    shape = (*sizes.pop(), *(() if seen.grey == seen.count else (3,))) if len(sizes) == 1 else None
    columns = with_findings(packed.columns, seen.findings())
    return Looked(seen.count, shape, columns, np.array(hashes, dtype=np.uint64))


def _print(pixels: NDArray[np.uint8]) -> int:
    """64 bits of a picture: its shape and its points."""
    content = repr(pixels.shape).encode() + pixels.tobytes()
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "big")


def read(packed: Packed, size: tuple[int, int] | None = None) -> pa.Table:
    """A table with ``X``, one float32 tensor [height, width(, 3)] a row; ``size`` (height, width) resizes bilinearly.

    Raises InvalidData where images differ in size and no size is given.
    """
    _check_columns(packed)
    rows: list[NDArray[np.uint8]] = []
    seen = Seen()
    largest = 0
    for pixels in decoded(packed, size, seen):
        if rows and pixels.shape[:2] != rows[0].shape[:2]:
            raise InvalidData(
                f"{packed.name}: images differ in shape ({list(rows[0].shape)} and {list(pixels.shape)}); "
                "give an image_size, or bring them to one size"
            )
        rows.append(pixels)
        largest = max(largest, pixels.size)
        packed.limits.check_bytes(4 * largest * len(packed.files), packed.name)
    if 0 < seen.grey < seen.count:
        rows = [coloured(pixels) for pixels in rows]
    tensor = pa.FixedShapeTensorArray.from_numpy_ndarray(np.stack(rows).astype(np.float32))
    columns = {c: packed.columns.column(c) for c in packed.columns.column_names}
    return with_findings(pa.table({IMAGE_COLUMN: tensor} | columns), seen.findings())


def coloured(pixels: NDArray[Any]) -> NDArray[Any]:
    """[h, w, 3] of a grey image [h, w]; a coloured one as it is."""
    return pixels if pixels.ndim == 3 else np.repeat(pixels[:, :, None], 3, axis=2)


def in_form(table: pa.Table, shape: Sequence[int]) -> pa.Table:
    """The table with its images grey or coloured as ``shape`` ([h, w] or [h, w, 3]) has them, which is said; a table
    without images, or with images of another size, is what it was."""
    at = next((at for at, field in enumerate(table.schema) if is_tensor(field.type)), None)
    if at is None or len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] != 3):
        return table
    have = tuple(table.column(at).type.shape)
    if have == tuple(shape) or have[:2] != tuple(shape[:2]) or (len(have) == 3 and have[2] != 3):
        return table
    colour = len(shape) == 3
    chunks = []
    for chunk in table.column(at).chunks:
        pixels = chunk.to_numpy_ndarray()
        other = np.repeat(pixels[..., None], 3, axis=3) if colour else (pixels @ _LUMA).round()
        chunks.append(pa.FixedShapeTensorArray.from_numpy_ndarray(np.ascontiguousarray(other, dtype=np.float32)))
    what = "grey, and are read as colour" if colour else "in colour, and are read as grey"
    said = Finding(
        code="image_form", severity=Severity.NOTE, detail=f"the images are {what}, as those of the test set are"
    )
    table = table.set_column(at, table.column_names[at], pa.chunked_array(chunks))
    return with_findings(table, [said])


def _check_columns(packed: Packed) -> None:
    if IMAGE_COLUMN in packed.columns.column_names:
        raise InvalidData(f"{packed.name}: the manifest has a column `{IMAGE_COLUMN}`, which the images are; rename it")


def decoded(
    packed: Packed, size: tuple[int, int] | None = None, seen: Seen | None = None
) -> Iterator[NDArray[np.uint8]]:
    """uint8[h, w] or uint8[h, w, 3] of each image, in order; ``seen`` counts what is noticed."""
    seen = Seen() if seen is None else seen
    for file, data in packed.contents():
        where = f"{packed.name}: `{file}`"
        try:
            # a warning of Pillow's (a bomb, a truncated tag) is a refusal here
            with warnings.catch_warnings(action="error"):
                # but a photo whose EXIF is damaged is a photo
                warnings.filterwarnings("ignore", message=".*EXIF")
                with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                    seen.pixels = packed.limits.check_image(*image.size, seen.pixels, where)
                    _check_form(image, where, seen)
                    image.load()
                    whole = _upright(image, seen)
        except _BAD as error:
            raise InvalidData(
                f"{where} is no PNG, JPEG, WebP or BMP image that can be decoded ({error}); save it again"
            ) from None
        seen.count += 1
        seen.grey += whole.mode == "L"
        if size is not None:
            whole = whole.resize((size[1], size[0]), Image.Resampling.BILINEAR)
        yield np.asarray(whole, dtype=np.uint8)


def _upright(image: Image.Image, seen: Seen) -> Image.Image:
    """The picture in mode L or RGB, turned as its EXIF says; EXIF that cannot be read says nothing."""
    try:
        turn = _TURNS.get(image.getexif().get(_ORIENTATION, 1))
    except _BAD:
        turn = None
    whole = _eight_bits(image, seen)
    if turn is None:
        return whole
    seen.turned += 1
    return whole.transpose(turn)


def _eight_bits(image: Image.Image, seen: Seen) -> Image.Image:
    if image.mode in _GREY_16:
        seen.deep += 1
        points = np.asarray(image).astype(np.int64).clip(0, 65_535) // 257
        return Image.fromarray(points.astype(np.uint8))
    if image.mode in _GREY:
        return image.convert("L")
    # a palette's transparent colours are colours too
    return (image.convert("RGBA") if image.mode in ("P", "PA") else image).convert("RGB")


def _check_form(image: Image.Image, where: str, seen: Seen) -> None:
    if getattr(image, "n_frames", 1) > 1:
        if image.format != "MPO":
            raise InvalidData(f"{where} has several frames; save one of them")
        # what phones write: the photo first, then a preview or another view of it
        seen.several += 1
        image.seek(0)
    if image.mode not in (*_GREY, *_GREY_16, *_COLOUR):
        raise InvalidData(f"{where} is of mode {image.mode}; save it with eight bits a channel, grey or RGB")
