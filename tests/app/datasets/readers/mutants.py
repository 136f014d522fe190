"""Damaged files: small valid ones of every format, and what random bytes, cuts, copies and extreme numbers make.

``python -m tests.app.datasets.readers.mutants COUNT [SEED [START [MINUTES]]]`` reads so many in the sandbox, from
number START on and for MINUTES at most; it names each that ended its process and exits with 1 where one was neither
read nor refused. The suite reads a short seeded sample.
"""

import bz2
import gzip
import io
import json
import lzma
import random
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from app.datasets.inspection import answer
from app.datasets.readers import Limits
from app.errors import InvalidData
from app.sandbox.process import Sandbox

TASK = "app.datasets.inspection:answer"
MANY = "tests.app.datasets.readers.mutants:answer_many"
BATCH = 52  # files that one child reads
FAILED = "failed"
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


def mutants(count: int, seed: int, start: int = 0) -> list[tuple[str, bytes]]:
    """Damaged files ``start`` to ``start + count`` of a seed, each kind in turn, with the name of what each was."""
    kinds = sorted(originals().items())
    found = []
    for at in range(start, start + count):
        # a generator for each: a search that was cut off goes on where it stopped
        chance = random.Random(f"{seed}/{at}")  # noqa: S311  a seeded sequence is what is wanted
        name, original = kinds[at % len(kinds)]
        data = mutant(original, chance)
        if name.startswith("picture"):
            data = zipped_picture(data, original)
        found.append((name, data))
    return found


def _question(path: Path, name: str) -> dict[str, Any]:
    archived = name.startswith("picture") or name == "texts"
    return {
        "task": TASK, "path": str(path), "format": None, "target": "label" if archived else "y", "modality": None,
        "is_test": False, "limits": asdict(LIMITS), "reading": {}, "name": name,
    }  # fmt: skip


def outcome(sandbox: Sandbox, path: Path, data: bytes, name: str) -> str:
    """ "read" or the refusal; raises RuntimeError where the reader itself failed."""
    path.write_bytes(data)
    try:
        sandbox.ask(_question(path, name), files=[path], memory_bytes=MEMORY_BYTES, seconds=SECONDS)
    except InvalidData as refused:
        return refused.detail
    return "read"


def answer_many(question: dict[str, Any]) -> dict[str, Any]:
    """A task of the sandbox: "read" or the refusal for each of ``paths``, one after the other in this process."""
    said = []
    for path, name in zip(question["paths"], question["names"], strict=True):
        try:
            answer(_question(path, name))
        except InvalidData as refused:
            said.append(refused.detail)
        else:
            said.append("read")
    return {"said": said}


def outcomes(sandbox: Sandbox, folder: Path, batch: Sequence[tuple[str, bytes]]) -> Iterator[str]:
    """What ``outcome`` says of each, in one child for all of them; where that says nothing, in a child for each."""
    paths = [folder / str(at) for at in range(len(batch))]
    for path, (_, data) in zip(paths, batch, strict=True):
        path.write_bytes(data)
    question = {"task": MANY, "paths": [str(path) for path in paths], "names": [n for n, _ in batch], "name": "batch"}
    try:
        yield from sandbox.ask(question, files=paths, memory_bytes=MEMORY_BYTES, seconds=SECONDS)["said"]
    except (InvalidData, RuntimeError):
        for path, (name, data) in zip(paths, batch, strict=True):
            try:
                yield outcome(sandbox, path, data, name)
            except RuntimeError as failed:
                yield f"{FAILED}: {failed}"


def _kind(said: str) -> str:
    if said == "read" or said.startswith(FAILED):
        return said.partition(":")[0]
    return "ended" if "ended the process" in said else "late" if "seconds; split" in said else "refused"


def main(count: int, seed: int, start: int, minutes: float) -> int:
    """Read so many damaged files; says how many were read and refused, each that ended its process or failed, and
    where to go on."""
    told: Counter[str] = Counter()
    sandbox, until, at = Sandbox([TASK, MANY]), time.monotonic() + 60 * minutes, start
    with TemporaryDirectory() as folder:
        while at < start + count and time.monotonic() < until:
            batch = mutants(min(BATCH, start + count - at), seed, at)
            for number, said in enumerate(outcomes(sandbox, Path(folder), batch), at):
                kind = _kind(said)
                told[kind] += 1
                if kind not in ("read", "refused"):
                    name, data = batch[number - at]
                    Path(f"mutant-{seed}-{number}.bin").write_bytes(data)
                    sys.stdout.write(f"mutant {number} of seed {seed} ({name}), kept as a file: {said}\n")
            at += len(batch)
    sandbox.close()
    sys.stdout.write(", ".join(f"{number} {kind}" for kind, number in told.items()) + f"; go on with START={at}\n")
    return 1 if told[FAILED] else 0


if __name__ == "__main__":
    given = [*sys.argv[1:], *("0", "0", "12")[len(sys.argv) - 2 :]]
    sys.exit(main(int(given[0]), int(given[1]), int(given[2]), float(given[3])))
