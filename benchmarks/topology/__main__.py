"""``python -m benchmarks.topology [NAME ...]``: a deployment with a long history, as tables of docs/scaling.md.

``histories``: what calls take on a short, a tenth and a long history. ``memory``: the API's memory over many calls
(``REQUESTS``, 100,000 by itself). ``beside``: reads on the long history beside 200 streams of events and 50 uploads.
``report`` writes the page. Cells are kept under .cherish/bench/topology; a cell that
is there is measured again with ``CHERISH_BENCH_FRESH=1`` only.
"""

import os
import sys
from typing import Any

from benchmarks import marks, store
from benchmarks.report.cells import grid
from benchmarks.topology import beside as streams
from benchmarks.topology import growth

PAGE = store.ROOT / "docs" / "scaling.md"
REQUESTS = 100_000


def histories() -> None:
    store.cell("topology", "histories", growth.measure)


def memory() -> None:
    store.cell("topology", "memory", lambda: growth.memory(int(os.environ.get("REQUESTS", REQUESTS))))


def beside() -> None:
    store.cell("topology", "beside", streams.measure)


def report() -> None:
    """Write the figures into the page."""
    cells = store.cells("topology")
    parts = []
    if found := cells.get("histories"):
        parts.append(_histories(found["data"], found["machine"]["cores"]))
    if found := cells.get("memory"):
        parts.append(_memory(found["data"]))
    if found := cells.get("beside"):
        parts.append(_beside(found["data"]))
    marks.fill(PAGE, "histories", "\n\n".join(parts))
    print(f"wrote {PAGE.relative_to(store.ROOT)}")


def _histories(told: dict[str, Any], cores: str) -> str:
    head = ["rows", *growth.SIZES]
    names = {"datasets": "datasets", "valuations": "jobs", "evaluations": "worths", "ledger_transfers": "transfers"}
    sizes = [[words, *(f"{told[size]['rows'][table]:,}" for size in growth.SIZES)] for table, words in names.items()]
    rows = []
    for name in told["long"]["calls"]:
        rows.append(_row(name, [told[size]["calls"].get(name) for size in growth.SIZES]))
    rows.append(_row("a look of the bookkeeper (every 30 s)", [told[size]["regular"] for size in growth.SIZES]))
    table = grid(["median ms (one in twenty longer than)", *growth.SIZES, "long / short"], rows)
    return (
        f"{grid(head, sizes)}\n\nOne API process, {cores} cores shared with other work, {growth.TIMES} calls each, one "
        f"after the other; whoever calls owns a twentieth of the copies. *Some pages on*: {growth.DEEP} pages later."
        f"\n\n{table}"
    )


def _row(name: str, by_size: list[dict[str, float] | None]) -> list[str]:
    cells = ["–" if each is None else f"{each['median']:.0f} ({each['slow']:.0f})" for each in by_size]
    first, last = by_size[0], by_size[-1]
    ratio = "–" if first is None or last is None else f"{last['median'] / first['median']:.1f}"
    return [name, *cells, ratio]


def _memory(told: dict[str, Any]) -> str:
    seen = [(number, size) for number, size in told["megabytes"]]
    rows = [["calls", *(f"{number:,}" for number, _ in seen)], ["MB", *(f"{size:.0f}" for _, size in seen)]]
    return f"Memory of the API's process over {told['requests']:,} calls:\n\n{grid(rows[0], rows[1:])}"


def _beside(told: dict[str, dict[str, Any]]) -> str:
    rows = [
        [
            name, str(each["calls"]), f"{each['p50']:.0f}", f"{each['p95']:.0f}", f"{each['p99']:.0f}",
            str(each.get("streams", "–")), str(each.get("uploads", "–")), f"{each['megabytes']:.0f}",
        ]
        for name, each in told.items()
    ]  # fmt: skip
    head = ["reads of the long history", "calls", "p50, ms", "p95", "p99", "streams open", "files read", "API, MB"]
    return f"One reader, one call after the other, beside a job at work; files of 0.9 MB.\n\n{grid(head, rows)}"


def main(names: list[str]) -> None:
    actions = {"histories": histories, "memory": memory, "beside": beside, "report": report}
    for name in names or actions:
        if name not in actions:
            sys.exit(f"unknown: {name}; choose among {', '.join(actions)}")
        actions[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
