"""Where measurements live between runs: one JSON file per cell under .cherish/bench, tables of worths as NPZ.

A cell is one measurement of one benchmark (game, seed, method, ...). A cell that is there is not measured again, so a
run that was stopped goes on where it was; ``FRESH`` measures anew. Every cell says with which versions, machine and
commit it was measured. Nothing here measures.
"""

import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Callable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent


def folder() -> Path:
    """The folder of cells and tables (``CHERISH_BENCH``, else .cherish/bench)."""
    return Path(os.environ.get("CHERISH_BENCH", ROOT / ".cherish" / "bench"))


def fresh() -> bool:
    """Whether cells that are there are to be measured again (``CHERISH_BENCH_FRESH=1``)."""
    return os.environ.get("CHERISH_BENCH_FRESH", "") == "1"


@cache
def machine() -> dict[str, str]:
    """Processor, cores, memory, system and versions: what a timing means nothing without."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    result = {
        "processor": model,
        "cores": str(os.cpu_count()),
        "memory": f"{memory:.0f} GiB",
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "commit": _commit(),
    }
    for package in ("torch", "numpy", "scikit-learn"):
        try:
            result[package] = version(package)
        except PackageNotFoundError:
            result[package] = "absent"
    return result


def _commit() -> str:
    if os.environ.get("CHERISH_COMMIT"):  # an exported tree has no history of its own
        return os.environ["CHERISH_COMMIT"]
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown"


def engine_digest() -> str:
    """A digest of the engine's source, so that a cell can be told to be older than the code."""
    digest = hashlib.sha256()
    for path in sorted((ROOT / "worker" / "engine").rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def cell(benchmark: str, key: str, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The cell's measurement: read where it is there, else measured and written whole or not at all."""
    path = folder() / benchmark / f"{key}.json"
    if path.is_file() and not fresh():
        return json.loads(path.read_text())["data"]
    data = measure()
    write_json(path, {"machine": machine(), "engine": engine_digest(), "data": data})
    return data


def cells(benchmark: str) -> dict[str, dict[str, Any]]:
    """All cells of a benchmark by key, as written: ``machine``, ``engine``, ``data``."""
    return {
        str(path.relative_to(folder() / benchmark))[:-5]: json.loads(path.read_text())
        for path in sorted((folder() / benchmark).rglob("*.json"))
    }


def write_json(path: Path, data: dict[str, Any]) -> None:
    """Write beside the place, then rename: a reader never sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".part")
    beside.write_text(json.dumps(data, indent=1))
    beside.replace(path)
