"""``python -m benchmarks.dispatch [sleeping|large|report ...]``: measure the orchestration, write it into a page.

The figures go into docs/scaling.md between its two marks; what people conclude from them stands around these. A cell
that was measured is not measured again (CHERISH_BENCH_FRESH=1 does).
"""

import os
import sys
from typing import Any

from benchmarks import store
from benchmarks.dispatch import measure, plans
from benchmarks.dispatch.place import place
from benchmarks.report import grid

PAGE = store.ROOT / "docs" / "scaling.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
WORKERS = (1, 4, 16, 64)
SECONDS, EACH, REPEATS = 0.5, 6, 2


def sleeping() -> None:
    """Efficiency by workers, and shards per second when a shard takes no time at all."""
    with place() as found:
        found.start("relay", "app.outbox")
        store.cell("dispatch", "throughput", lambda: measure.efficiency(found, 4, 0.0, 60, REPEATS))
        for workers in WORKERS:
            run = lambda workers=workers: measure.efficiency(found, workers, SECONDS, EACH, REPEATS)  # noqa: E731  a thunk
            told = store.cell("dispatch", f"workers-{workers}", run)
            print(f"{workers} workers: {told['efficiency']:.2f}", flush=True)


def large() -> None:
    """A large job's statements."""
    with place() as found:
        store.cell("dispatch", "large", lambda: plans.large_job(found))


def report() -> None:
    """Write the figures into the page."""
    cells = store.cells("dispatch")
    text = PAGE.read_text()
    head, rest = text.split(BEGIN)
    _, tail = rest.split(END)
    PAGE.write_text(f"{head}{BEGIN}\n\n{_measured(cells)}\n\n{END}{tail}")
    print(f"wrote {PAGE.relative_to(store.ROOT)}")


def _measured(cells: dict[str, dict[str, Any]]) -> str:
    parts = []
    rows = []
    for workers in WORKERS:
        if found := cells.get(f"workers-{workers}"):
            told = found["data"]
            rows.append(
                [
                    str(workers), str(told["shards"]), f"{told['efficiency']:.2f}", f"{told['per_second']:.1f}",
                    f"{told['held_ms']:.0f}", f"{told['cpu_ms']:.1f}", f"{told['load']:.1f}",
                ]
            )  # fmt: skip
    head = [
        "workers",
        "shards",
        "efficiency",
        "shards/s",
        "lease held beyond the work, ms",
        "processor ms a shard",
        "load",
    ]
    if rows:
        machine = cells[f"workers-{WORKERS[0]}"]["machine"]
        parts += [
            f"Machine: {machine['cores']} cores ({machine['processor']}), {machine['memory']}, shared with other work; "
            f"commit {machine['commit']}. Medians of {REPEATS} runs, {SECONDS} s a shard.",
            grid(head, rows),
        ]
    if found := cells.get("throughput"):
        told = found["data"]
        roles = {name.removeprefix("cpu_ms_"): value for name, value in told.items() if name.startswith("cpu_ms_")}
        parts.append(
            f"Shards that take no time: {told['per_second']:.0f} a second through outbox, Redis, lease and write-back "
            f"of {measure.WORTHS} worths by {told['workers']} workers, at {told['cpu_ms']:.1f} ms of processor time ("
            + ", ".join(f"{role} {value:.1f}" for role, value in sorted(roles.items()))
            + f"), under a load of {told['load']:.0f}."
        )
    if found := cells.get("large"):
        parts.append(_large(found["data"]))
    return "\n\n".join(parts)


def _large(told: dict[str, Any]) -> str:
    rows = []
    for name, statements in told["statements"].items():
        worst = max(statements, key=lambda each: each["ms"])
        whole = sorted({table for each in statements for table in each["whole"]})
        rows.append(
            [
                name, str(len(statements)), f"{sum(each['ms'] for each in statements):.1f}", f"{worst['ms']:.1f}",
                ", ".join(whole) or "–",
            ]
        )  # fmt: skip
    table = grid(["what", "statements", "ms together", "slowest, ms", "tables read from end to end"], rows)
    return (
        f"A job of {told['players']:,} players and {told['worths']:,} stored worths, by EXPLAIN ANALYZE (planning and "
        f"execution in Postgres):\n\n{table}\n\nReading all worths into a plan takes {told['replay_seconds']:.2f} s, "
        f"one look of the sweeper {told['sweep_ms']:.0f} ms."
    )


def main(names: list[str]) -> None:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    actions = {"sleeping": sleeping, "large": large, "report": report}
    for name in names or actions:
        if name not in actions:
            sys.exit(f"unknown: {name}; choose among {', '.join(actions)}")
        actions[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
