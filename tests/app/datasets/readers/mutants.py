"""Damaged files: small valid ones of every format, and what random bytes, cuts, copies and extreme numbers make.

``python -m tests.app.datasets.readers.mutants COUNT [SEED]`` reads so many in the sandbox and exits with 1 at the first
that is neither read nor refused; the suite reads a short seeded sample.
"""

import bz2
import gzip
import io
import json
import lzma
import random
import sys
import zipfile
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from app.datasets.readers import Limits
from app.errors import InvalidData
from app.sandbox.process import Sandbox

TASK = "app.datasets.inspection:answer"
LIMITS = Limits(max_rows=100_000, max_columns=1_000, max_bytes=64 * 1024**2)
MEMORY_BYTES = 512 * 1024**2
SECONDS = 20.0
EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63 - 1, 2**64 - 1)


def originals() -> dict[str, bytes]:
    """A small valid file of each kind, by a name; the target of each is ``y`` or, of an archive, ``label``."""
    csv = "x,day,city,y\n" + "".join(f"{at / 7},2026-01-{at % 28 + 1:02d},Köln {at % 3},{at % 2}\n" for at in range(40))
    lines = [{"x": at / 7, "city": f"Łódź {at % 3}", "ok": at % 2 == 0, "y": at % 2} for at in range(30)]
    jsonl = "\n".join(json.dumps(line) for line in lines)
    found = {
        "csv": csv.encode(),
        "semicolon": csv.replace(",", ";").replace(".", ",").encode("utf-16"),
        "jsonl": jsonl.encode(),
        "json": json.dumps(lines, indent=1).encode(),
        "gzip": gzip.compress(csv.encode(), mtime=0),
        "bzip2": bz2.compress(csv.encode()),
        "xz": lzma.compress(csv.encode()),
        "zstd": _zstd(csv.encode()),
        "zipped": _zip({"t.csv": csv.encode()}),
        "xlsx": _workbook(),
        "texts": _zip({f"a/{at}.txt": f"some words {at}".encode() for at in range(3)} | {"b/x.md": b"more"}),
    }
    return found | _parquets() | _arrays() | _pictures()


def _zstd(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as file:
        file.write(data)
    return bytes(sink.getvalue())


def _zip(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return buffer.getvalue()


def _workbook() -> bytes:
    book = openpyxl.Workbook()
    for row in [["x", "word", "ok", "y"], *([at / 3, f"w{at % 4}", at % 2 == 0, at % 2] for at in range(20))]:
        book.active.append(row)
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def _parquets() -> dict[str, bytes]:
    table = pa.table(
        {
            "x": [at / 7 for at in range(60)],
            "at": pa.array(range(60), pa.timestamp("us", "UTC")),
            "note": [f"words {at % 5}" for at in range(60)],
            "ok": [at % 3 == 0 for at in range(60)],
            "y": [at % 2 for at in range(60)],
        }
    )
    found = {}
    for name, how in {
        "parquet": {},
        "plain": {"use_dictionary": False, "compression": "none"},
        "delta": {"use_dictionary": False, "column_encoding": {"note": "DELTA_BYTE_ARRAY", "y": "DELTA_BINARY_PACKED"}},
        "pages": {"data_page_version": "2.0", "data_page_size": 64, "compression": "zstd", "row_group_size": 20},
    }.items():
        buffer = io.BytesIO()
        pq.write_table(table, buffer, **how)
        found[name] = buffer.getvalue()
    return found


def _arrays() -> dict[str, bytes]:
    y = np.arange(12) % 2
    shapes = {
        "matrix": {"X": np.arange(36.0).reshape(12, 3), "y": y},
        "images": {"X": np.arange(12 * 16, dtype=np.uint8).reshape(12, 4, 4), "y": y},
        "columns": {"a": np.arange(12, dtype=">i4"), "t": np.array(["ä", "b", "c"] * 4), "y": y},
    }
    found = {}
    for name, arrays in shapes.items():
        for save in (np.savez, np.savez_compressed):
            buffer = io.BytesIO()
            save(buffer, **arrays)
            found[f"{name} {save.__name__}"] = buffer.getvalue()
    return found


def _pictures() -> dict[str, bytes]:
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 255, (9, 12, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    found = {}
    for kind, how in {
        "PNG": {}, "JPEG": {"exif": exif}, "WEBP": {"lossless": True}, "BMP": {},
        "MPO": {"save_all": True, "append_images": [image]},
    }.items():  # fmt: skip
        buffer = io.BytesIO()
        image.save(buffer, kind, **how)
        found[f"picture {kind}"] = buffer.getvalue()
    return found


def mutant(original: bytes, chance: random.Random) -> bytes:
    """One to four changes of a file."""
    data = bytearray(original)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(data)) if data else 0
        match chance.randrange(7):
            case 0:
                data[at : at + 1] = bytes([chance.randrange(256)])
            case 1 if data:
                data[at] ^= 1 << chance.randrange(8)
            case 2:
                del data[at:]
            case 3:
                data[at : at + chance.randint(1, 64)] = b""
            case 4:
                data[at:at] = data[at : at + chance.randint(1, 64)]
            case 5:
                data[at : at + chance.randint(1, 32)] = bytes(chance.randint(1, 32))
            case _:
                size = chance.choice((1, 2, 4, 8))
                value = chance.choice(EXTREMES) % 256**size
                data[at : at + size] = value.to_bytes(size, chance.choice(("little", "big")))
    return bytes(data)


def zipped_picture(data: bytes, beside: bytes | None = None) -> bytes:
    """A picture in an archive, beside another or itself; its checksum fits, so that its decoder sees it."""
    return _zip({"a/1.png": data if beside is None else beside, "b/2.png": data})


def mutants(count: int, seed: int) -> list[tuple[str, bytes]]:
    """So many damaged files, each kind in turn, with the name of what it was."""
    chance = random.Random(seed)  # noqa: S311  a seeded sequence is what is wanted
    kinds = sorted(originals().items())
    found = []
    for at in range(count):
        name, original = kinds[at % len(kinds)]
        data = mutant(original, chance)
        if name.startswith("picture"):
            data = zipped_picture(data, original)
        found.append((name, data))
    return found


def outcome(sandbox: Sandbox, path: Path, data: bytes, name: str) -> str:
    """ "read" or the refusal; raises RuntimeError where the reader itself failed."""
    path.write_bytes(data)
    archived = name.startswith("picture") or name == "texts"
    question = {
        "task": TASK, "path": str(path), "format": None, "target": "label" if archived else "y", "modality": None,
        "is_test": False, "limits": asdict(LIMITS), "reading": {}, "name": name,
    }  # fmt: skip
    try:
        sandbox.ask(question, files=[path], memory_bytes=MEMORY_BYTES, seconds=SECONDS)
    except InvalidData as refused:
        return refused.detail
    return "read"


def main(count: int, seed: int) -> int:
    """Read so many damaged files; says how many were read and refused, and the first failure."""
    outcomes = {"read": 0, "refused": 0, "ended": 0}
    with TemporaryDirectory() as folder:
        sandbox = Sandbox([TASK])
        for at, (name, data) in enumerate(mutants(count, seed)):
            try:
                said = outcome(sandbox, Path(folder) / "it", data, name)
            except RuntimeError as failed:
                Path("failed_mutant.bin").write_bytes(data)
                sys.stdout.write(f"mutant {at} of seed {seed} ({name}), kept as failed_mutant.bin: {failed}\n")
                return 1
            kind = "read" if said == "read" else "ended" if "ended the process" in said else "refused"
            outcomes[kind] += 1
            if kind == "ended":
                sys.stdout.write(f"mutant {at} of seed {seed} ({name}) ended the process that read it\n")
        sandbox.close()
    sys.stdout.write(", ".join(f"{number} {kind}" for kind, number in outcomes.items()) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0))
