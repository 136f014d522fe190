"""Unlearning methods: against exact retraining, by how much is forgotten, and in partial mode."""

from typing import Any

from benchmarks.forgetting import LEVELS
from benchmarks.measures import spread
from benchmarks.report.cells import data, games, grid, number, over_seeds, verdict
from benchmarks.tables import METRICS

PARTIAL_BAR = {"accuracy": 0.8, "clipped_log_loss": 0.9}


def methods() -> str:
    found, floors = data("methods"), data("noise")
    parts = [
        "## Unlearning methods against exact retraining",
        "All coalitions by each method, no retrained worth used: correlation of worths, Spearman of values, TV of "
        "shares, the residual variance ratio (what is left for the audit to correct: 0 perfect, 1 useless), and cost "
        "of the whole table as a fraction of exact retraining's processor time.",
    ]
    for name in games(found):
        sources = sorted({k[2] for k in found if k[0] == name}, key=lambda s: (_tv(found, name, s), s))
        rows = [_method_row(s, {k: c for k, c in found.items() if k[0] == name and k[2] == s}) for s in sources]
        floor = {k: c for k, c in floors.items() if k[0] == name}
        if floor:
            rows.insert(0, _method_row("retraining, second seed", floor))
        head = ["method", "cost", "r acc / cll", "Spearman acc / cll", "TV acc / cll", "RVR acc / cll", "seeds"]
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
        f"{100 * cost.mean:.1f} %",
        both("correlation", 2),
        both("spearman", 2),
        both("tv", 3),
        both("rvr", 2),
        str(len(cells)),
    ]


def forgetting() -> str:
    found = data("forgetting")
    parts = [
        "## Forgetting",
        "RMSE of accuracy against the retrained model, in hundredths, with (bias); then the share of "
        "test rows on which "
        "both predict alike; then cost per coalition next to retraining the same coalition. By how much of the rows is "
        "forgotten (within 5 points).",
    ]
    for name in games(found):
        rows = []
        for source in sorted({k[2] for k in found if k[0] == name}):
            cells = {k: c for k, c in found.items() if k[0] == name and k[2] == source}
            rows.append(
                [source.replace("unlearn_", "").replace("_", " "), *(_level(cells, str(level)) for level in LEVELS)]
            )
        parts += [f"### {name}", grid(["method", *(f"{level} %" for level in LEVELS)], rows)]
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
    agreement, cost = spread([100 * c["agreement"] for c in here]), spread([c["cost"] for c in here])
    return f"{rmse.mean:.1f} ({bias.mean:+.1f}), {agreement.mean:.0f} %, {cost.mean:.2f}×"


def partial() -> str:
    found = data("partial")
    if not found:
        return ""
    rows = []
    for name in games(found):
        cells = {k: c for k, c in found.items() if k[0] == name}
        sources = sorted({s for c in cells.values() for s in c if s != "players"})
        for source in sources:
            row = [name, source.replace("unlearn:", "")]
            for metric in METRICS:
                r = spread([number(c[source][metric]["correlation"]) for c in cells.values() if source in c])
                mark = f" ({verdict(r.mean >= PARTIAL_BAR[metric])})" if source == "unlearn:tangent" else ""
                row.append(r.text(2) + mark)
            rows.append([*row, str(len(cells))])
    intro = (
        "## Partial mode\n\nHalf the players hidden; only weights, the other half's rows and part of the test set as "
        "anchors. Correlation of the 32 coalitions' worths with retraining in which the hidden rows stay. Bars for the "
        "default method: .8 (accuracy), .9 (log-loss)."
    )
    return f"{intro}\n\n{grid(['game', 'method', 'r acc', 'r cll', 'seeds'], rows)}"
