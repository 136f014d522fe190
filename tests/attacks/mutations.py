"""Files of every format that is read, and their mutants: bytes flipped, cut, repeated, spliced, numbers made extreme.

``python -m tests.attacks.mutations COUNT [SEED]`` reads COUNT mutants, each in a process that ends with its batch, and
prints how many were read, how many refused, and every input that did something else.
"""

import io
import json
import os
import resource
import sys
import tempfile
import traceback
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from app.checkpoints.weights import read_tensors
from app.datasets.inspection import inspect
from app.datasets.profiles.profile import profile
from app.datasets.readers import Limits
from app.errors import InvalidData, PayloadTooLarge

LIMITS = Limits(max_rows=100_000, max_columns=2_000, max_bytes=64 * 1024**2)
_EXTREMES = (
    b"\0",
    b"\xff",
    b"\x7f",
    b"\x80",
    b"\xed\xa0\x80",
    b"NaN",
    b"1e999",
    b"-",
    b'"',
    b"\r",
    b"{",
    b"[",
    b"\\ud800",
)
_BATCH = 200


def _zip(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _png(seed: int, form: str) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (9, 9, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, form)
    return buffer.getvalue()


def _parquet() -> bytes:
    buffer = io.BytesIO()
    columns = {
        "a": [1, 2, 3, 4],
        "b": [0.5, 1.5, 2.5, 3.5],
        "c": ["x", "y", "x", "z"],
        "label": ["p", "q", "p", "q"],
    }
    pq.write_table(pa.table(columns), buffer, compression="zstd")
    return buffer.getvalue()


def _npz() -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, X=np.arange(24, dtype=np.float32).reshape(6, 4), y=np.arange(6) % 2)
    return buffer.getvalue()


def _safetensors() -> bytes:
    data = np.arange(12, dtype="<f4").tobytes()
    tensors = {"weight": {"dtype": "F32", "shape": [3, 4], "data_offsets": [0, 48]}}
    header = json.dumps(tensors).encode()
    return len(header).to_bytes(8, "little") + header + data


def seeds() -> dict[str, bytes]:
    """A small valid file of each format."""
    rows = 'a,b,label\n1,x,p\n2,y,q\n3,"z, z",p\n'
    records = [{"a": at, "b": "t\u00e9xt", "label": "pq"[at % 2]} for at in range(6)]
    return {
        "csv": rows.encode(),
        "tsv": rows.replace(",", "\t").encode(),
        "utf-16": rows.encode("utf-16"),
        "jsonl": "".join(json.dumps(each) + "\n" for each in records).encode(),
        "json": json.dumps(records).encode(),
        "parquet": _parquet(),
        "npz": _npz(),
        "texts": _zip({"p/1.txt": b"one text", "q/2.txt": "tw\u00f6".encode(), "p/3.txt": b"three"}),
        "png": _zip({f"{'pq'[at % 2]}/{at}.png": _png(at, "PNG") for at in range(3)}),
        "jpeg": _zip({f"{'pq'[at % 2]}/{at}.jpg": _png(at, "JPEG") for at in range(3)}),
        "webp": _zip({f"{'pq'[at % 2]}/{at}.webp": _png(at, "WEBP") for at in range(3)}),
        "safetensors": _safetensors(),
    }


def mutant(content: bytes, rng: np.random.Generator) -> bytes:
    """One to six changes of a file."""
    data = bytearray(content)
    for _ in range(int(rng.integers(1, 7))):
        at = int(rng.integers(0, len(data) + 1))
        match int(rng.integers(0, 6)):
            case 0 if at < len(data):
                data[at] ^= 1 << int(rng.integers(0, 8))
            case 1 if at < len(data):
                data[at] = int(rng.integers(0, 256))
            case 2:
                del data[at : at + int(rng.integers(1, 32))]
            case 3:
                part = data[at : at + int(rng.integers(1, 64))]
                data[at:at] = part * int(rng.integers(1, 4))
            case 4:
                data[at:at] = _EXTREMES[int(rng.integers(0, len(_EXTREMES)))]
            case _:
                # a field of four or eight bytes that says a length, made extreme
                data[at : at + 4] = int(rng.choice([0, 1, 2**31 - 1, 2**32 - 1])).to_bytes(4, "little")
    return bytes(data)


def read(kind: str, path: Path) -> str:
    """``read`` or ``refused``; raises whatever else a reader does with a file."""
    try:
        if kind == "safetensors":
            read_tensors(path, "it")
            return "read"
        target = "y" if kind == "npz" else "label"
        found = inspect(path, format=None, modality=None, target=target, is_test=False, limits=LIMITS, name="it")
        profile(
            path, target=target, modality=found.modality, format=found.format, limits=LIMITS, name="it", preview_rows=3
        )
    except (InvalidData, PayloadTooLarge):
        return "refused"
    return "read"


def failures(kind: str, count: int, seed: int, folder: Path, tell: Callable[[str], object]) -> Counter[str]:
    """Read mutants of one format; ``tell`` is given each that did something else, which is kept in ``folder``."""
    rng = np.random.default_rng([seed, *kind.encode()])
    content, found = seeds()[kind], Counter[str]()
    for number in range(count):
        path = folder / f"{kind}-{seed}-{number}"
        path.write_bytes(mutant(content, rng))
        try:
            found[read(kind, path)] += 1
        except BaseException as error:
            found["failed"] += 1
            last = traceback.extract_tb(error.__traceback__)[-1]
            tell(f"{path.name}: {type(error).__name__}: {str(error)[:200]} ({last.filename}:{last.lineno})")
            continue
        path.unlink()
    return found


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def main(count: int, seed: int) -> int:
    folder = Path(tempfile.mkdtemp(prefix="mutants-"))
    kinds, total, ended = list(seeds()), Counter[str](), 0
    batches = max(1, count // (_BATCH * len(kinds)))
    for batch in range(batches):
        for kind in kinds:
            reader, writer = os.pipe()
            child = os.fork()
            if child == 0:
                resource.setrlimit(resource.RLIMIT_AS, (6 * 1024**3, 6 * 1024**3))
                resource.setrlimit(resource.RLIMIT_CPU, (120, 120))
                found = failures(
                    kind, _BATCH, seed * 10_000 + batch, folder, lambda told: sys.stdout.write(told + chr(10))
                )
                sys.stdout.flush()
                os.write(writer, json.dumps(found).encode())
                os._exit(0)
            os.close(writer)
            with os.fdopen(reader) as told:
                answer = told.read()
            _, status = os.waitpid(child, 0)
            if status or not answer:
                ended += 1
                sys.stdout.write(f"{kind}, batch {batch}: the process ended with {status}\n")
            else:
                total.update(json.loads(answer))
    done = f"{sum(total.values())} inputs: {dict(total)}; {ended} processes ended otherwise"
    sys.stdout.write(f"{done}; inputs kept in {folder}\n")
    return 1 if ended or total["failed"] else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1))
