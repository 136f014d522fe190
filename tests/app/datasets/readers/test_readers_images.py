"""Photos as phones have them: turned by EXIF, with a second picture, palettes, 16 bits, grey among colour."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from PIL import Image

from app.datasets.inspection import inspect
from app.datasets.readers import Limits, image_shape, read_table
from app.datasets.readers.findings import findings_of
from app.datasets.readers.images import in_form
from app.errors import InvalidData
from contract.rows.files import FileColumn

PHOTO = np.random.default_rng(0).integers(0, 255, (6, 8, 3), dtype=np.uint8)


def packed(**pictures: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in pictures.items():
            folder, _, rest = name.partition("_")
            archive.writestr(f"{folder}/{rest}.png", data)
    return buffer.getvalue()


def saved(image: Image.Image, kind: str = "PNG", **how: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **how)
    return buffer.getvalue()


def pixels(table: pa.Table) -> NDArray[np.float32]:
    found: NDArray[np.float32] = table["X"].chunk(0).to_numpy_ndarray()
    return found


def told(table: pa.Table) -> dict[str, str]:
    return {finding.code: finding.detail for finding in findings_of(table)}


# what the stored picture is turned by so that EXIF's orientation turns it back
STORED = {
    1: PHOTO, 2: PHOTO[:, ::-1], 3: PHOTO[::-1, ::-1], 4: PHOTO[::-1], 5: PHOTO.transpose(1, 0, 2),
    6: np.rot90(PHOTO, 1), 7: np.rot90(PHOTO, 2).transpose(1, 0, 2), 8: np.rot90(PHOTO, -1),
}  # fmt: skip


@pytest.mark.parametrize("orientation", STORED)
def test_photos_stand_upright_as_their_exif_says(orientation: int) -> None:
    image = Image.fromarray(np.ascontiguousarray(STORED[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    table = read_table(packed(cat_1=saved(image, exif=exif), dog_2=saved(Image.fromarray(PHOTO))))
    assert (pixels(table)[0] == PHOTO).all()
    assert ("exif_orientation" in told(table)) == (orientation > 1)


def test_exif_that_cannot_be_read_says_nothing() -> None:
    jpeg = saved(Image.fromarray(PHOTO), "JPEG", quality=95)
    broken = jpeg[:2] + b"\xff\xe1\x00\x10Exif\x00\x00MM\x00*\xff\xff\xff\xff" + jpeg[2:]
    table = read_table(packed(cat_1=broken, dog_2=jpeg))
    assert (pixels(table)[0] == pixels(table)[1]).all()


def test_the_first_picture_of_a_phones_file_is_read() -> None:
    one, two = Image.fromarray(PHOTO), Image.fromarray(255 - PHOTO)
    content = saved(one, "MPO", save_all=True, append_images=[two])
    table = read_table(packed(cat_1=content, dog_2=saved(one, "JPEG")))
    assert (pixels(table)[0] == pixels(table)[1]).all()
    assert told(table)["several_pictures"].startswith("1 of 2 images hold several pictures")


def test_palettes_transparency_and_sixteen_bits_become_eight_bits_of_grey_or_colour() -> None:
    palette = Image.fromarray(PHOTO).convert("P", palette=Image.Palette.ADAPTIVE, colors=48)
    rgb = np.asarray(palette.convert("RGB"))
    seen = packed(
        cat_1=saved(palette),
        cat_2=saved(palette, transparency=bytes(range(48))),
        cat_3=saved(Image.fromarray(np.dstack([rgb, np.full((6, 8), 7, np.uint8)]))),
    )
    for row in pixels(read_table(seen)):
        assert (row == rgb).all()
    deep = np.arange(48, dtype=np.uint16).reshape(6, 8) * 1365
    table = read_table(
        packed(cat_1=saved(Image.fromarray(deep)), dog_2=saved(Image.fromarray(deep // 257).convert("L")))
    )
    assert pixels(table).shape == (2, 6, 8)
    assert (pixels(table)[0] == deep // 257).all()
    assert "sixteen_bits" in told(table)


def test_grey_photos_among_colour_are_read_as_colour(tmp_path: Path) -> None:
    grey = np.ascontiguousarray(PHOTO[:, :, 0])
    content = packed(cat_1=saved(Image.fromarray(grey)), dog_2=saved(Image.fromarray(PHOTO)))
    table = read_table(content)
    assert image_shape(table) == (6, 8, 3)
    assert (pixels(table)[0] == grey[:, :, None]).all()
    assert told(table)["mixed_colour"].startswith("1 of 2 images are grey")
    path = tmp_path / "it"
    path.write_bytes(content)
    said: dict[str, Any] = {"format": None, "modality": None, "is_test": False, "limits": Limits(), "name": "it"}
    assert inspect(path, target="label", **said).columns[0] == FileColumn(name="X", type="tensor[6, 8, 3]")


def test_images_of_a_job_are_brought_to_the_form_of_its_test_set() -> None:
    grey = read_table(packed(cat_1=saved(Image.fromarray(PHOTO[:, :, 0].copy()))))
    colour = read_table(packed(cat_1=saved(Image.fromarray(PHOTO))))
    as_colour, as_grey = in_form(grey, (6, 8, 3)), in_form(colour, (6, 8))
    assert (pixels(as_colour)[0] == PHOTO[:, :, :1]).all()
    assert np.abs(pixels(as_grey)[0] - np.asarray(Image.fromarray(PHOTO).convert("L"))).max() <= 1
    assert "grey, and are read as colour" in told(as_colour)["image_form"]
    assert "in colour, and are read as grey" in told(as_grey)["image_form"]
    assert in_form(grey, (6, 8)) is grey
    assert in_form(grey, (5, 5, 3)) is grey
    assert in_form(grey, ()) is grey


def test_an_archive_of_too_many_pixels_is_refused() -> None:
    content = packed(**{f"cat_{at}": saved(Image.fromarray(PHOTO)) for at in range(3)})
    with pytest.raises(InvalidData, match="more than 100 pixels together"):
        read_table(content, limits=Limits(max_pixels=100))
    with pytest.raises(InvalidData, match="8 x 6 pixels, and 47 are allowed"):
        read_table(content, limits=Limits(max_image_pixels=47))
