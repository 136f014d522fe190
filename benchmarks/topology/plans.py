"""How Postgres answers what a call asks: the statements are caught from the application itself, and explained."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event

# what grows with use; reading a table of a few rows from end to end is cheaper than its index
GROWING = frozenset(
    {
        "datasets", "dataset_versions", "valuations", "valuation_players", "valuation_datasets", "valuation_events",
        "games", "rounds", "evaluations", "ledger_transfers",
    }
)  # fmt: skip


@contextmanager
def caught(engine: Engine) -> Iterator[list[tuple[str, Any]]]:
    """The statements that read on an engine's connections meanwhile, with their parameters."""
    found: list[tuple[str, Any]] = []

    def catch(_c: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        if not many and statement.split(None, 1)[0] in ("SELECT", "WITH"):
            found.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", catch)
    try:
        yield found
    finally:
        event.remove(engine, "before_cursor_execute", catch)


def read_whole(engine: Engine, act: Callable[[], object]) -> dict[str, set[str]]:
    """Of what ``act`` asks on ``engine``: the statements that read a growing table from end to end, with its names."""
    with caught(engine) as found:
        act()
    whole: dict[str, set[str]] = {}
    with engine.connect() as connection:
        for statement, parameters in found:
            [[plan]] = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", parameters).scalars()
            if tables := _whole(plan["Plan"]) & GROWING:
                whole[" ".join(statement.split())] = tables
    return whole


def _whole(node: dict[str, Any]) -> set[str]:
    found = {node["Relation Name"]} if node["Node Type"] == "Seq Scan" else set()
    return found.union(*(_whole(each) for each in node.get("Plans", [])))
