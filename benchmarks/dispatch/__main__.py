"""``python -m benchmarks.dispatch [sleeping|large|service|report ...]``: measure the orchestration, write it down.

The figures go into docs/scaling.md between its two marks, with conclusions written by hand around them; machine and
commit go into docs/benchmarks-provenance.md. A cell that was measured is not measured again (CHERISH_BENCH_FRESH=1
does).
"""

import os
import sys
from functools import partial
from typing import Any

from benchmarks import marks, store
from benchmarks.dispatch import measure, plans, service
from benchmarks.dispatch.place import Place, place
from benchmarks.dispatch.pooler import CONNECTIONS, pooled
from benchmarks.report.cells import grid

PAGE = store.ROOT / "docs" / "scaling.md"
WORKERS = (1, 4, 16, 64)
SECONDS, EACH, REPEATS = 0.5, 6, 2
# of a job that is long enough for its beginning and its end not to count, each about half a shard a worker
LONG = 24
# shards of two seconds; the last are of workers that share a pooler's connections
SLOW, POOLED = 2.0, 256
SIZES = [
    *((workers, SECONDS, EACH, f"workers-{workers}") for workers in WORKERS),
    (WORKERS[-1], SECONDS, LONG, "workers-long"),
    (WORKERS[-1], SLOW, LONG, "workers-slow"),
    (POOLED, SLOW, EACH, "workers-pooled"),
]
# of the job on the real engine: about a minute of one core, several times
STEPS, TURNS = 250, 3


def sleeping() -> None:
    """Efficiency by workers, and shards per second when a shard takes no time at all."""
    with place() as found:
        found.start("relay", "app.housekeeping")
        store.cell("dispatch", "throughput", lambda: measure.efficiency(found, 4, 0.0, 60, REPEATS))
        for workers, seconds, each, name in SIZES:
            run = partial(_sleeping, found, workers, seconds, each)
            told = store.cell("dispatch", name, run)
            print(f"{workers} workers, {each} shards each: {told['efficiency']:.2f}", flush=True)


def _sleeping(found: Place, workers: int, seconds: float, each: int) -> dict[str, Any]:
    """More workers than Postgres has connections for share those of a pooler."""
    if workers < POOLED:
        return measure.efficiency(found, workers, seconds, each, REPEATS)
    with pooled(found.home, found.settings.database_url.get_secret_value()) as found.of_workers:
        return measure.efficiency(found, workers, seconds, each, REPEATS)


def large() -> None:
    """A large job's statements."""
    with place() as found:
        store.cell("dispatch", "large", lambda: plans.large_job(found))


def real() -> None:
    """The real engine alone, and with the service around it."""
    steps, turns = (int(os.environ.get(name, usual)) for name, usual in (("STEPS", STEPS), ("TURNS", TURNS)))
    told = store.cell("dispatch", "service", lambda: service.measure(steps, turns))
    print(f"two workers: {told['speed_up']:.2f} times one; service over engine: {told['overhead']:+.1%}", flush=True)


def report() -> None:
    """Write the figures into the page."""
    cells = store.cells("dispatch")
    marks.fill(PAGE, "measured", _measured(cells))
    marks.fill(marks.PROVENANCE, "dispatch", _provenance(cells))
    print(f"wrote {PAGE.relative_to(store.ROOT)}")


def _measured(cells: dict[str, dict[str, Any]]) -> str:
    parts = []
    rows = []
    for workers, seconds, _, name in SIZES:
        if found := cells.get(name):
            told = found["data"]
            rows.append(
                [
                    str(workers), f"{seconds:.1f}", str(told["shards"]), f"{told['efficiency']:.2f}",
                    f"{told['per_second']:.1f}",
                    f"{told['held_ms']:.0f}", f"{told['cpu_ms']:.1f}", f"{told['load']:.1f}",
                ]
            )  # fmt: skip
    head = [
        "workers",
        "seconds a shard",
        "shards",
        "efficiency",
        "shards/s",
        "lease held beyond the work, ms",
        "processor ms a shard",
        "load",
    ]
    if rows:
        parts += [
            f"Medians of {REPEATS} runs; *load* is the machine's load average. {POOLED} workers share {CONNECTIONS} "
            "connections through pgbouncer in transaction mode.",
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
    if found := cells.get("service"):
        parts.append(_service(found["data"], found["machine"]["cores"]))
    return "\n\n".join(parts)


def _provenance(cells: dict[str, dict[str, Any]]) -> str:
    """The machine and the commits that the cells are of."""
    machines = [cell["machine"] for _, cell in sorted(cells.items())]
    places = dict.fromkeys(f"{m['processor']}, {m['cores']} cores, {m['memory']}" for m in machines)
    commits = dict.fromkeys(m["commit"] for m in machines)
    return f"- Machine: {'; '.join(places)}, shared with other work. Commit: {', '.join(commits)}."


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


def _service(told: dict[str, Any], cores: str) -> str:
    alone = told["bare"]
    rows = [
        [name, f"{told[key]['seconds']:.1f}", f"{told[key]['seconds'] / alone['seconds']:.2f}",
         f"{told[key]['cpu_seconds']:.1f}", f"{told[key]['cpu_seconds'] / alone['cpu_seconds']:.2f}"]
        for name, key in (("engine alone", "bare"), ("service, one worker", "one"), ("service, two workers", "two"))
    ]  # fmt: skip
    table = grid(["", "seconds", "of the engine's", "processor seconds", "of the engine's"], rows)
    return (
        f"The real engine: {told['worths']} models trained anew, one thread a process, medians of {told['repeats']} "
        f"turns on {cores} cores under a load of {told['load']:.1f}. Seconds are from the posting of the job to its "
        f"payouts; processor seconds are those of all processes.\n\n{table}\n\n"
        f"Two workers are **{told['speed_up']:.2f}** times as fast as one. The service takes "
        f"**{100 * told['overhead']:+.1f} %** on the time of the engine alone, {100 * told['cpu_overhead']:+.1f} % on "
        "its processor time. All values were the same to the last bit."
    )


def main(names: list[str]) -> None:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    actions = {"sleeping": sleeping, "large": large, "service": real, "report": report}
    for name in names or actions:
        if name not in actions:
            sys.exit(f"unknown: {name}; choose among {', '.join(actions)}")
        actions[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
