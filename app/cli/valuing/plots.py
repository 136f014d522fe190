"""One picture of a result: values with intervals, convergence, and unlearned against retrained worths.

Draws into a PNG with matplotlib's Agg and never opens a window.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contract.results.result import ValuationResult


def draw(result: "ValuationResult", path: Path) -> None:
    """Write the picture of a result to ``path``."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, (values, convergence, worths) = pyplot.subplots(1, 3, figsize=(15, 4.5), layout="constrained")
    _values(values, result)
    _convergence(convergence, result)
    _worths(worths, result)
    figure.savefig(path, dpi=120, format="png")
    pyplot.close(figure)


def _values(axes: Any, result: "ValuationResult") -> None:
    players = sorted(result.players, key=lambda p: p.value)
    for row, player in enumerate(players):
        axes.plot(player.value_ci, (row, row), color="0.6", linewidth=3, solid_capstyle="butt")
        axes.plot(player.value, row, "o", color="black", markersize=4)
    axes.axvline(0.0, color="0.8", linewidth=1)
    axes.set_yticks(range(len(players)), [p.provider for p in players])
    axes.set_title("Values with 95 % intervals")


def _convergence(axes: Any, result: "ValuationResult") -> None:
    rounds = [sum(row.evaluations.values()) for row in result.trace]
    axes.plot(rounds, [row.widest for row in result.trace], "o-", color="black")
    axes.axhline(result.spec.share_ci, color="0.6", linestyle="--")
    axes.set_xlabel("evaluations")
    axes.set_ylabel("widest share interval, points")
    axes.set_title(f"Convergence (ended by {result.stopped_by})")


def _worths(axes: Any, result: "ValuationResult") -> None:
    retrained = {row.coalition: row.worth for row in result.worths if row.source == "retrain"}
    for source in sorted({row.source for row in result.worths if row.fidelity != "retrain"}):
        pairs = [
            (r.worth, retrained[r.coalition]) for r in result.worths if r.source == source and r.coalition in retrained
        ]
        if pairs:
            axes.plot(*zip(*pairs, strict=True), "o", markersize=4, alpha=0.6, label=source)
    if axes.lines:
        ends = (min(retrained.values()), max(retrained.values()))
        axes.plot(ends, ends, color="0.6", linewidth=1)
        axes.legend(frameon=False)
    axes.set_xlabel("unlearned worth")
    axes.set_ylabel("retrained worth")
    axes.set_title("The audit" if axes.lines else "No audit")
