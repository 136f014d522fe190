"""The default from end to end: the bars reached or missed, what it did, and its error by retrainings bought."""

from collections import defaultdict

from benchmarks.markets import BAR_GAMES, RECIPES
from benchmarks.measures import spread
from benchmarks.report.cells import SHORT, data, games, grid, judged, over_seeds
from benchmarks.tables import METRICS

TV_BAR, WORST_BAR, COST_BAR, COVERAGE_BAR = 0.03, 2.0, 0.06, 0.90


def bars() -> str:
    found, floors = data("default"), data("noise")
    rows = []
    for name in [g for g in games(found) if g in BAR_GAMES]:
        for metric in METRICS:
            cells = {k: c for k, c in found.items() if k[0] == name and k[2] == metric}
            if not cells:
                continue
            factor = 1.0 if metric == "accuracy" else 2.0
            floor = {k: c for k, c in floors.items() if k[0] == name}
            floor_tv = over_seeds(floor, lambda c, m=metric: c[m]["tv"]).mean if floor else 0.0
            floor_worst = over_seeds(floor, lambda c, m=metric: c[m]["worst"]).mean if floor else 0.0
            tv, worst = over_seeds(cells, lambda c: c["tv"]), over_seeds(cells, lambda c: c["worst"])
            cost = over_seeds(cells, lambda c: c["cost_fraction"])
            tv_bar, worst_bar = max(TV_BAR * factor, floor_tv), max(WORST_BAR * factor, floor_worst)
            rows.append(
                [
                    name,
                    SHORT[metric],
                    judged(tv.text(3), tv.mean <= tv_bar),
                    judged(worst.text(2), worst.mean <= worst_bar),
                    judged(f"{100 * cost.mean:.1f}±{100 * cost.sd:.1f}", cost.mean <= COST_BAR),
                    _coverage(name, metric),
                    f"{floor_tv:.3f} / {floor_worst:.1f}" if floor else _no_floor(name),
                ]
            )
    head = [
        "game",
        "metric",
        "TV",
        "worst share error, points",
        "cost of `value()`, %",
        "coverage, %",
        "noise floor TV / worst",
    ]
    intro = (
        "## The bars, full mode\n\nThe default `value()` from end to end: training, unlearned worths, audit, "
        f"estimate. Bars: TV ≤ {TV_BAR:.3f} (`acc`) and {2 * TV_BAR:.3f} (`cll`), worst share error ≤ {WORST_BAR:.1f} "
        f"and {2 * WORST_BAR:.1f} points, or the noise floor where that is higher; cost ≤ {100 * COST_BAR:.0f} %; "
        f"coverage ≥ {100 * COVERAGE_BAR:.0f} %. The noise floor is the error of exact retraining with a second seed "
        "(0 where training has no seed). Coverage counts the 95 % share intervals that hold the exact share, over ten "
        "job seeds on each game seed."
    )
    return f"{intro}\n\n{grid(head, rows)}\n\n![Error and cost of the default](plots/default.png)"


def _no_floor(name: str) -> str:
    """Logistic optima have no seed noise; elsewhere a floor that is missing was not measured."""
    return "0" if RECIPES[name].learner.startswith("logistic") else "not measured"


def _coverage(name: str, metric: str) -> str:
    cells = [c for k, c in data("replays").items() if k[0] == name and k[2] == metric]
    runs = [run for cell in cells for run in cell["runs"]]
    if not runs:
        return "not measured"
    inside = sum(run["covered"] for run in runs) / sum(run["players"] for run in runs)
    return judged(f"{100 * inside:.0f}", inside >= COVERAGE_BAR)


def default() -> str:
    found, again = data("default"), data("replays")
    rows = []
    for name in games(found):
        for metric in METRICS:
            cells = {k: c for k, c in found.items() if k[0] == name and k[2] == metric}
            runs = [r for k, c in again.items() if k[0] == name and k[2] == metric for r in c["runs"]]
            if not cells:
                continue
            stops: dict[str, int] = defaultdict(int)
            for cell in cells.values():
                stops[cell["stopped_by"]] += 1
            rows.append(
                [
                    name,
                    SHORT[metric],
                    over_seeds(cells, lambda c: c["evaluations"].get("retrain", 0)).text(0),
                    over_seeds(cells, lambda c: c["evaluations"].get("unlearn", 0)).text(0),
                    over_seeds(cells, lambda c: c["widest"]).text(2),
                    ", ".join(f"{k} ×{v}" for k, v in stops.items()),
                    over_seeds(cells, lambda c: c["cpu"]).text(1),
                    over_seeds(cells, lambda c: c["cpu"] * (1 - sum(c["worths_seconds"].values()) / c["wall"])).text(1),
                    spread([r["worst"] for r in runs]).text(2),
                    spread([r["tv"] for r in runs]).text(3),
                ]
            )
    head = [
        "game",
        "metric",
        "retrained",
        "unlearned",
        "widest interval, points",
        "stopped by",
        "processor s",
        "of it estimating and preparing",
        "worst error, 10 job seeds",
        "TV, 10 job seeds",
    ]
    return "### What the default did\n\n" + grid(head, rows)


def budgets() -> str:
    found = data("budgets")
    if not found:
        return ""
    rows = []
    for name in games(found):
        for metric in METRICS:
            cells = [c for k, c in found.items() if k[0] == name and k[2] == metric]
            if not cells:
                continue
            row = [name, SHORT[metric]]
            for most in cells[0]:
                runs = [run for c in cells for run in c[most]]
                worst, tv = spread([r["worst"] for r in runs]), spread([r["tv"] for r in runs])
                inside = sum(r["covered"] for r in runs) / sum(r["players"] for r in runs)
                row.append(f"{worst.mean:.2f} / {tv.mean:.3f}, {100 * inside:.0f}")
            rows.append(row)
    head = ["game", "metric", *(f"{most} retrained" for most in cells[0])]
    intro = (
        "### Error by retrainings bought\n\nThe default loop on stored worths, ended by `max_retrains` alone: mean "
        "worst share error in points / mean TV, and coverage in percent. 46 retrainings are 6 % of 768."
    )
    return f"{intro}\n\n{grid(head, rows)}"
