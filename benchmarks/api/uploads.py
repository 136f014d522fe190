"""Files of a gigabyte, uploaded one after the other: the most memory that the API process and its parser ever held.

The API process is a fresh one for each file, so that no file profits from what another left. Peaks are the kernel's
own (VmHWM) for the API process; parsers come and go, so their resident memory is looked at every 20 milliseconds.
"""

import contextlib
import io
import tempfile
import threading
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from app.accounts import service
from app.db.session import make_engine, make_session_factory, transaction
from app.embedded.stack import EmbeddedStack
from app.identity import Role
from app.settings import Settings
from cherish import Client

COLUMNS = 40
_BATCH = 50_000


def measure(megabytes: int) -> list[dict[str, Any]]:
    """One row for each format."""
    rows = []
    for name, write in WRITERS.items():
        home = Path(tempfile.gettempdir()) / f"cherish-upload-{uuid.uuid4().hex[:10]}"
        # on a busy machine parsing takes longer than the default allows
        stack = EmbeddedStack(home, workers=0, env={"CHERISH_PARSE_SECONDS": "3600"})
        file = Path(tempfile.gettempdir()) / f"{home.name}.{name}"
        try:
            stack.start()
            token = _provider(stack)
            write(file, megabytes * 10**6)
            rows.append({"format": name} | _upload(stack, token, file, name))
            print(rows[-1], flush=True)
        finally:
            file.unlink(missing_ok=True)
            stack.destroy()
    return rows


def _upload(stack: EmbeddedStack, token: str, file: Path, kind: str) -> dict[str, Any]:
    api = stack.processes("api")[0]
    idle = _high_water(api)
    peak, done = [0], threading.Event()
    watcher = threading.Thread(target=_watch, args=(stack, peak, done))
    watcher.start()
    try:
        began = time.perf_counter()
        with Client(stack.api_url, token, timeout=1800, retries=0) as client:
            made = client.upload_dataset("large", file, target="y", format=kind)
        seconds = time.perf_counter() - began
    finally:
        done.set()
        watcher.join()
    return {
        "megabytes": round(file.stat().st_size / 1e6),
        "rows": made["rows"],
        "columns": len(made["columns"]),
        "api_idle_mb": round(idle / 1e6),
        "api_peak_mb": round(_high_water(api) / 1e6),
        "parser_peak_mb": round(peak[0] / 1e6),
        "seconds": round(seconds, 1),
    }


def _high_water(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"process {pid} tells no peak")


def _watch(stack: EmbeddedStack, peak: list[int], done: threading.Event) -> None:
    while not done.wait(0.02):
        for pid in stack.processes("api")[1:]:
            with contextlib.suppress(psutil.Error, OSError):
                peak[0] = max(peak[0], psutil.Process(pid).memory_info().rss)


def _provider(stack: EmbeddedStack) -> str:
    settings = Settings.from_variables(stack.settings_env())
    engine = make_engine(settings.database_url.get_secret_value(), pool_size=1)
    with transaction(make_session_factory(engine)) as session:
        account = service.create_account(session, "Provider", Role.PROVIDER)
        token = service.issue_key(session, settings, account, "first key")[1]
    engine.dispose()
    return token


def _batches(rng: np.random.Generator) -> Iterator[pa.Table]:
    while True:
        columns = {f"x{i}": rng.standard_normal(_BATCH) for i in range(COLUMNS)}
        yield pa.table(columns | {"y": rng.integers(0, 3, _BATCH)})


def _csv(file: Path, size: int) -> None:
    with file.open("wb") as sink:
        for number, table in enumerate(_batches(np.random.default_rng(0))):
            pa.csv.write_csv(table, sink, pa.csv.WriteOptions(include_header=number == 0))
            if sink.tell() >= size:
                return


def _parquet(file: Path, size: int) -> None:
    batches = _batches(np.random.default_rng(0))
    first = next(batches)
    with file.open("wb") as sink, pa.parquet.ParquetWriter(sink, first.schema) as writer:
        writer.write_table(first)
        while sink.tell() < size:
            writer.write_table(next(batches))


def _jsonl(file: Path, size: int) -> None:
    text = "".join(
        "{" + ", ".join(f'"{name}": {value!r}' for name, value in row.items()) + "}\n"
        for row in next(_batches(np.random.default_rng(0))).slice(0, 5000).to_pylist()
    ).encode()
    with file.open("wb") as sink:
        while sink.tell() < size:
            sink.write(text)


def _npz(file: Path, size: int) -> None:
    rows = size // (8 * COLUMNS)
    rng = np.random.default_rng(0)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name, array in (("X", rng.standard_normal((rows, COLUMNS))), ("y", rng.integers(0, 3, rows))):
            head = io.BytesIO()
            np.lib.format.write_array_header_1_0(head, np.lib.format.header_data_from_array_1_0(array))
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                member.write(head.getvalue())
                member.write(memoryview(array).cast("B"))


WRITERS: dict[str, Callable[[Path, int], None]] = {"csv": _csv, "parquet": _parquet, "jsonl": _jsonl, "npz": _npz}
