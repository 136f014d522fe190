"""Unlearning methods: against exact retraining, by how much is forgotten, and in partial mode."""

from typing import Any

from benchmarks.measures import spread
from benchmarks.report.cells import data, games, grid, judged, number, over_seeds
from benchmarks.tables import METRICS

SHOWN = (10, 50, 90)  # of the percentages forgotten that were measured
PARTIAL_BAR = {"accuracy": 0.8, "clipped_log_loss": 0.9}


def methods() -> str:
    found, floors = data("methods"), data("noise")
    parts = [
        "## Unlearning methods against exact retraining",
        "Worths of all coalitions by each method alone. *r* is the correlation of worths, *TV* the distance of shares. "
        "*RVR*, the residual variance ratio, is what is left for the audit to correct: 0 is perfect, 1 useless. *Cost* "
        "is that of the whole table, in percent of exact retraining.",
    ]
    for name in games(found):
        sources = sorted({k[2] for k in found if k[0] == name}, key=lambda s: (_tv(found, name, s), s))
        rows = [_method_row(s, {k: c for k, c in found.items() if k[0] == name and k[2] == s}) for s in sources]
        floor = {k: c for k, c in floors.items() if k[0] == name}
        if floor:
            rows.insert(0, _method_row("retraining, second seed", floor))
        head = ["method", "cost, %", "r acc / cll", "TV acc / cll", "RVR acc / cll", "seeds"]
        parts += [f"### {name}", grid(head, rows)]
    return "\n\n".join(parts)


def _tv(found: dict[tuple[str, ...], dict[str, Any]], name: str, source: str) -> float:
    return over_seeds(
        {k: c for k, c in found.items() if k[0] == name and k[2] == source}, lambda c: c["accuracy"]["tv"]
    ).mean


def _method_row(source: str, cells: dict[tuple[str, ...], dict[str, Any]]) -> list[str]:
    def both(figure: str, digits: int) -> str:
        return " / ".join(over_seeds(cells, lambda c, m=m: number(c[m][figure])).text(digits) for m in METRICS)

    cost = over_seeds(cells, lambda c: c["cost_fraction"])
    return [
        source.replace("unlearn_", "").replace("repair_", "repair: "),
        f"{100 * cost.mean:.1f}",
        both("correlation", 2),
        both("tv", 3),
        both("rvr", 2),
        str(len(cells)),
    ]


def forgetting() -> str:
    found = data("forgetting")
    parts = [
        "## Forgetting",
        "By how much of the rows is forgotten (within 5 points): RMSE of accuracy against the retrained model, in "
        "hundredths, with (bias). The figure has 25 % and 75 % too.",
    ]
    for name in games(found):
        rows = []
        for source in sorted({k[2] for k in found if k[0] == name}):
            cells = {k: c for k, c in found.items() if k[0] == name and k[2] == source}
            rows.append(
                [source.replace("unlearn_", "").replace("_", " "), *(_level(cells, str(level)) for level in SHOWN)]
            )
        parts += [f"### {name}", grid(["method", *(f"{level} %" for level in SHOWN)], rows)]
    if len(parts) > 2:
        parts.append("![RMSE by how much is forgotten](plots/forgetting.png)")
    return "\n\n".join(parts) if len(parts) > 2 else ""


def _level(cells: dict[tuple[str, ...], dict[str, Any]], level: str) -> str:
    here = [c[level] for c in cells.values() if level in c]
    if not here:
        return "–"
    rmse, bias = (
        spread([100 * c["accuracy"]["rmse"] for c in here]),
        spread([100 * c["accuracy"]["bias"] for c in here]),
    )
    return f"{rmse.mean:.1f} ({bias.mean:+.1f})"


def partial() -> str:
    found = data("partial")
    if not found:
        return ""
    cells = {name: [c for k, c in found.items() if k[0] == name] for name in games(found)}
    sources = sorted({s for of_game in cells.values() for c in of_game for s in c if s != "players"})
    rows = [
        [source.replace("unlearn:", ""), *(_partial(of_game, source) for of_game in cells.values())]
        for source in sources
    ]
    head = ["method", *(f"{name} ({len(of_game)} seeds)" for name, of_game in cells.items())]
    intro = (
        "## Partial mode\n\nHalf the players are hidden. Correlation of the 32 coalitions' worths with retraining in "
        "which the hidden rows stay, acc / cll; nan where a method gives all the same worth. `retrain:r1` has other "
        "batch orders. Bars for the default method, the tangent: .8 and .9."
    )
    return f"{intro}\n\n{grid(head, rows)}"


def _partial(cells: list[dict[str, Any]], source: str) -> str:
    """Mean correlations by both metrics in one game, empty where the source was not measured."""
    shown = []
    for metric in METRICS:
        r = spread([number(c[source][metric]["correlation"]) for c in cells if source in c])
        passed = source != "unlearn:tangent" or r.mean >= PARTIAL_BAR[metric]
        shown.append(judged(r.text(2), passed))
    return " / ".join(shown) if any(source in c for c in cells) else "–"
