"""docs/benchmarks-api.md from what was measured: the cells under .cherish/bench/api, each with its machine and commit.

What was not measured is not in the page. It judges nothing but whether a bar was reached.
"""

import json
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks import marks
from benchmarks.store import ROOT

PAGE = ROOT / "docs" / "benchmarks-api.md"
_FOLDER = ROOT / ".cherish" / "bench" / "api"
READ_BAR, POST_BAR, MEMORY_BAR = 25.0, 60.0, 300


def keep(name: str, found: Any) -> None:
    """Store what was measured now."""
    _FOLDER.mkdir(parents=True, exist_ok=True)
    cell = {"at": datetime.now(UTC).isoformat(timespec="minutes"), "place": _place(), "found": found}
    (_FOLDER / f"{name}.json").write_text(json.dumps(cell, indent=1))


def write() -> None:
    """The page, from the cells there are."""
    parts, origins = [_HEAD], []
    for name, title, tell in (("load", "Reads and posts", _load), ("uploads", "Files of a gigabyte", _uploads)):
        file = _FOLDER / f"{name}.json"
        if file.exists():
            cell = json.loads(file.read_text())
            parts += tell(cell["found"])
            origins.append(f"- {title}: measured {cell['at']}, {cell['place']}.")
    parts.append((Path(__file__).parent / "notes.md").read_text())
    PAGE.write_text("\n".join(parts))
    marks.fill(marks.PROVENANCE, "api", "\n".join(origins))
    print("written", PAGE.relative_to(ROOT))


_HEAD = """\
# The API under load

`.venv/bin/python -m benchmarks.api` writes this page. **Bold** misses its bar; no test asserts a bar. When and on which
machine: [benchmarks-provenance.md](benchmarks-provenance.md).
"""


def _load(found: dict[str, Any]) -> list[str]:
    lines = [
        "## Reads and posts",
        "",
        "Two API processes, Postgres (durable), Redis, relay, sweeper, two workers and the client share the machine, "
        f"as `cherish up --servers 2` starts them. The load is {found['rate']:.0f} reads a second in a mix for "
        f"{found['seconds']:.0f} s, and {found['posts']:g} posts a second: half are jobs on ten datasets whose files a "
        "quote has read, half drafts of datasets. A call's time counts from the moment it was due, so waiting behind "
        "others is in it. The running job trains a multi-layer perceptron for each coalition and keeps both workers "
        "busy, at a lower priority.",
        "",
        f"| phase | reads | p50 ms | p90 ms | p99 ms (bar {READ_BAR:g}) | posts | p50 ms | p99 ms (bar {POST_BAR:g}) | "
        "not 2xx or 304 |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, phase in found["phases"].items():
        reads, posts = phase["reads"], phase["posts"]
        cells = [name, reads["count"], reads["p50"], reads["p90"], _judged(reads["p99"], READ_BAR)]
        cells += [posts["count"], posts["p50"], _judged(posts["p99"], POST_BAR)] if posts else ["", "", ""]
        cells.append(_refused(reads) + (_refused(posts) if posts else 0))
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    name, phase = list(found["phases"].items())[-1]
    lines += ["", f"Calls by kind, {name}, in milliseconds:", ""]
    lines += ["| call | times | p50 | p90 | p99 | longest |", "|---|---|---|---|---|---|"]
    for call, told in phase["calls"].items():
        lines.append(f"| {call} | {told['count']} | {told['p50']} | {told['p90']} | {told['p99']} | {told['max']} |")
    shares = sorted(phase["processor"].items(), key=lambda item: -item[1])
    told = ", ".join(f"{part} {seconds / phase['seconds']:.2f}" for part, seconds in shares if seconds >= 0.01)
    unread = found["unread"]
    lines += [
        "",
        "An order on ten files that no quote has read (about 280 kB together, test set included), "
        f"{unread['count']} times one after the other beside the running job: p50 {unread['p50']} ms, longest "
        f"{unread['max']} ms.",
    ]
    return [*lines, "", f"Processors in use: {told}.", ""]


def _judged(measured: float, bar: float) -> str:
    return f"{measured:g}" if measured <= bar else f"**{measured:g}**"


def _refused(told: dict[str, Any]) -> int:
    return sum(
        count for status, count in told["statuses"].items() if not (200 <= int(status) < 300 or status in ("304", 304))
    )


def _uploads(found: list[dict[str, Any]]) -> list[str]:
    lines = [
        "## Files of a gigabyte",
        "",
        "One upload at a time to a fresh API process, from a client on the same machine. Memory is peak resident "
        "memory (of the API process the kernel's VmHWM). Each file is parsed in a sandbox process of its own.",
        "",
        f"| format | MB | rows | columns | API process before, MB | API process at most, MB (bar {MEMORY_BAR}) | "
        "parsing process at most, MB | upload and validation, s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in found:
        cells = [row["format"], row["megabytes"], row["rows"], row["columns"], row["api_idle_mb"]]
        cells += [_judged(row["api_peak_mb"], MEMORY_BAR), row["parser_peak_mb"], row["seconds"]]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return [*lines, ""]


def _place() -> str:
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    memory = int(Path("/proc/meminfo").read_text().split()[1]) / 1024**2
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    versions = ", ".join(f"{name} {version(name)}" for name in ("fastapi", "uvicorn", "sqlalchemy", "psycopg"))
    return (
        f"{names[0] if names else platform.machine()}, {len(names)} cores, {memory:.0f} GiB, Python "
        f"{platform.python_version()}, {versions}, commit {commit.stdout.strip()}"
    )
