"""The pictures of docs/benchmarks.md, small PNGs in docs/plots/, and of docs/agents.md, an SVG. They show cells, or a
table of the docs, and compute nothing new."""

from typing import Any

import numpy as np

from benchmarks import store
from benchmarks.markets import RECIPES

FOLDER = store.ROOT / "docs" / "plots"
LEVELS = ("10", "25", "50", "75", "90")
COLOURS = ("#1b6ca8", "#c0392b", "#2e8b57", "#8e44ad", "#d68910", "#555555", "#16a085", "#7f8c8d", "#e377c2", "#a0522d")


def draw() -> None:
    """Draw every plot whose cells are there."""
    import matplotlib as mpl

    mpl.use("Agg")
    FOLDER.mkdir(parents=True, exist_ok=True)
    _default()
    _forgetting()
    _estimators()
    _removal()
    epsilon()


def epsilon() -> None:
    """docs/plots/epsilon.svg: the table of docs/benchmarks-agents.md, share error against epsilon, a line a game."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "cherish"
    import matplotlib.pyplot as plt

    text = (store.ROOT / "docs" / "benchmarks-agents.md").read_text().partition("## Error against epsilon")[2]
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    head, _, *games = table
    # the last column is without noise that anybody would notice: it is no point of the line
    levels = [float(cell.removeprefix("eps ")) for cell in head[1:-1]]
    figure, axis = plt.subplots(figsize=(5.4, 3.2))
    for (name, *cells), colour, marker in zip(games, COLOURS, "os^", strict=False):
        axis.plot(levels, [float(cell) for cell in cells[:-1]], marker=marker, ms=4, color=colour, label=name)
    axis.set(xscale="log", xlabel="epsilon of each job, at delta 1e-6", ylabel="share error, points of the pool")
    axis.set_xticks(levels, [f"{level:g}" for level in levels])
    axis.minorticks_off()
    axis.set_ylim(bottom=0)
    axis.grid(color="#dddddd", lw=0.5)
    axis.legend(fontsize=8, frameon=False)
    figure.tight_layout()
    figure.savefig(FOLDER / "epsilon.svg", metadata={"Date": None})
    plt.close(figure)


def _many(count: int) -> list[tuple[str, str]]:
    """So many ways to tell lines apart: colour and marker."""
    return [(COLOURS[i % len(COLOURS)], "os^Dv"[i // len(COLOURS)]) for i in range(count)]


def _cells(benchmark: str) -> dict[tuple[str, ...], Any]:
    return {tuple(key.split("/")): cell["data"] for key, cell in store.cells(benchmark).items()}


def _panels(count: int, height: float = 2.6) -> tuple[Any, list[Any]]:
    import matplotlib.pyplot as plt

    columns = min(3, count)
    rows = -(-count // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(3.1 * columns, height * rows), squeeze=False)
    for axis in axes.ravel()[count:]:
        axis.set_visible(False)
    return figure, list(axes.ravel()[:count])


def _legend(figure: Any, axis: Any) -> None:
    """The names of an axis' lines beside all panels, where they cover none of them."""
    handles, labels = axis.get_legend_handles_labels()
    figure.legend(handles, labels, loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=7, frameon=False)


def _save(figure: Any, name: str) -> None:
    import matplotlib.pyplot as plt

    figure.tight_layout()
    figure.savefig(FOLDER / name, dpi=90, bbox_inches="tight")
    plt.close(figure)


def _named(found: dict[tuple[str, ...], Any]) -> list[str]:
    return [name for name in RECIPES if any(key[0] == name for key in found)]


def _default() -> None:
    found = _cells("default")
    if not found:
        return
    figure, axes = _panels(2)
    for axis, metric, bar in zip(axes, ("accuracy", "clipped_log_loss"), (2.0, 4.0), strict=True):
        for name, colour in zip(_named(found), COLOURS, strict=False):
            here = [c for k, c in found.items() if k[0] == name and k[2] == metric]
            axis.scatter(
                [100 * c["cost_fraction"] for c in here], [c["worst"] for c in here], s=14, color=colour, label=name
            )
        axis.axhline(bar, color="#999999", lw=0.8, ls="--")
        axis.axvline(6.0, color="#999999", lw=0.8, ls="--")
        axis.set(xlabel="cost, % of exact retraining", ylabel="worst share error, points", title=metric)
        axis.set_ylim(bottom=0)
        axis.set_xlim(left=0)
    _legend(figure, axes[0])
    _save(figure, "default.png")


def _forgetting() -> None:
    found = _cells("forgetting")
    names = _named(found)
    if not names:
        return
    figure, axes = _panels(len(names))
    sources = sorted({k[2] for k in found if not k[2].startswith("retrain")})
    for axis, name in zip(axes, names, strict=True):
        for source, (colour, marker) in zip(sources, _many(len(sources)), strict=True):
            here = [c for k, c in found.items() if k[0] == name and k[2] == source]
            levels = [level for level in LEVELS if any(level in c for c in here)]
            rmse = [np.mean([c[level]["accuracy"]["rmse"] for c in here if level in c]) for level in levels]
            if levels:
                label = source.replace("unlearn_", "").replace("repair_", "").replace("_", " ")
                wide = 2.0 if source == "unlearn_tangent" else 0.9
                axis.plot([int(v) for v in levels], rmse, marker=marker, ms=3, lw=wide, color=colour, label=label)
        axis.set(title=name, xlabel="% of rows forgotten", yscale="log")
    axes[0].set_ylabel("RMSE of accuracy")
    _legend(figure, max(axes, key=lambda axis: len(axis.lines)))
    _save(figure, "forgetting.png")


def _estimators() -> None:
    found = _cells("estimators")
    names = _named(found)
    if not names:
        return
    figure, axes = _panels(len(names))
    for axis, name in zip(axes, names, strict=True):
        here = [c for k, c in found.items() if k[0] == name]
        estimators = sorted({k.split("/")[1] for c in here for k in c})
        for estimator, colour in zip(estimators, COLOURS, strict=False):
            budgets = sorted({int(k.split("/")[2]) for c in here for k in c})
            errors = [np.mean([c[f"accuracy/{estimator}/{b}"]["worst"] for c in here]) for b in budgets]
            axis.plot(budgets, errors, marker=".", lw=1, color=colour, label=estimator)
        axis.set(title=name, xlabel="evaluations", xscale="log", yscale="log")
    axes[0].set_ylabel("worst share error, points")
    _legend(figure, axes[0])
    _save(figure, "estimators.png")


def _removal() -> None:
    found = _cells("removal")
    names = _named(found)
    if not names:
        return
    figure, axes = _panels(len(names))
    for axis, name in zip(axes, names, strict=True):
        here = [c for k, c in found.items() if k[0] == name]
        for order, colour in (("exact", COLOURS[0]), ("default", COLOURS[1]), ("leave-one-out", COLOURS[2])):
            for way, style in (("highest first", "-"), ("lowest first", "--")):
                mean = np.mean([c[order][way] for c in here], axis=0)[:-1]
                axis.plot(mean, style, lw=1, color=colour, label=f"{order}, {way}")
        axis.plot(np.mean([c["random"]["either"] for c in here], axis=0)[:-1], ":", color="#555555", label="random")
        axis.set(title=name, xlabel="players removed")
    axes[0].set_ylabel("retrained accuracy")
    _legend(figure, axes[0])
    _save(figure, "removal.png")
