"""docs/benchmarks.md from the cells: tables, the bars reached or missed and by how much, plots. Measures nothing.

Every figure is a mean over seeds with its standard deviation. The page is written whole each time; what a person has to
say about the numbers stands in benchmarks/notes.md and is taken over as it is.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from benchmarks import plots, store
from benchmarks.forgetting import LEVELS
from benchmarks.markets import BAR_GAMES, RECIPES
from benchmarks.measures import Spread, spread
from benchmarks.tables import METRICS

PAGE = store.ROOT / "docs" / "benchmarks.md"
NOTES = store.ROOT / "benchmarks" / "notes.md"
SHORT = {"accuracy": "acc", "clipped_log_loss": "cll"}
TV_BAR, WORST_BAR, COST_BAR, COVERAGE_BAR = 0.03, 2.0, 0.06, 0.90
PARTIAL_BAR = {"accuracy": 0.8, "clipped_log_loss": 0.9}

Cells = dict[str, dict[str, Any]]


def write() -> None:
    """Write the page and its plots."""
    sections = [
        _head(),
        _bars(),
        _default(),
        _budgets(),
        _methods(),
        _forgetting(),
        _estimators(),
        _peers(),
        _partial(),
        _removal(),
        _scale(),
        NOTES.read_text() if NOTES.is_file() else "",
    ]
    plots.draw()
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text("\n\n".join(section.strip() for section in sections if section.strip()) + "\n")
    print(f"wrote {PAGE.relative_to(store.ROOT)}")


def data(benchmark: str) -> dict[tuple[str, ...], dict[str, Any]]:
    """The measurements of a benchmark by the parts of their keys."""
    return {tuple(key.split("/")): cell["data"] for key, cell in store.cells(benchmark).items()}


def grid(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    head = list(head)
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def _games(found: Iterable[tuple[str, ...]]) -> list[str]:
    present = {key[0] for key in found}
    return [name for name in RECIPES if name in present]


def _over_seeds(found: dict[tuple[str, ...], dict[str, Any]], pick: Callable[[dict[str, Any]], float]) -> Spread:
    return spread([pick(cell) for cell in found.values()])


def _head() -> str:
    machine = store.machine()
    engines = sorted({cell["engine"] for name in ("default", "methods") for cell in store.cells(name).values()})
    text = [
        "# Benchmarks",
        "Written by `make bench` from what it measured; the figures are means over seeds ± their standard deviation. "
        "`acc` is accuracy, `cll` clipped log-loss (each row floored at -2 log classes). Share error is the largest "
        "|share - exact share| of any player in points of the pool; TV is half the sum of them as a "
        "fraction. Exact means "
        "every coalition retrained. Costs are processor seconds next to those of exact retraining, "
        "measured in the same "
        "run (the machine was shared, so wall seconds are given beside them where they differ).",
        f"Machine: {machine['processor']}, {machine['cores']} cores, {machine['memory']}, {machine['system']}; Python "
        f"{machine['python']}, torch {machine['torch']}, numpy {machine['numpy']}, scikit-learn "
        f"{machine['scikit-learn']}; one thread inside torch. Commit {machine['commit']}, engine source "
        f"{', '.join(engines) or 'not measured'}. No GPU was at hand.",
        "Run it: `make bench`, or `.venv/bin/python -m benchmarks [--quick] [--games …] [--seeds N] "
        "[name …]`. Cells are "
        "kept under `.cherish/bench`; a run that was stopped goes on. `make peers-env` makes the environment of pyDVL "
        "and shapiq. Without the data folder (`CHERISH_DATA`) only the digits games run.",
        "## The games",
        "Ten players each: seven honest with skewed labels and unequal sizes, one with 40 % of its labels flipped, one "
        "exact copy, one pure noise. Adult is drawn with both classes alike often. With the copy 768 of the 1,024 "
        "coalitions differ in content, and exact retraining is charged for those only.",
        _games_table(),
    ]
    return "\n\n".join(text)


def _games_table() -> str:
    found = data("default")
    rows = []
    for name in _games(found):
        cells = {key: cell for key, cell in found.items() if key[0] == name and key[2] == "accuracy"}
        recipe = RECIPES[name]
        rows.append(
            [
                name,
                f"`{recipe.learner}`",
                f"{recipe.train} (+ copy, noise)",
                str(recipe.test),
                str(recipe.classes),
                _over_seeds(cells, lambda c: c["exact_cpu"]).text(0),
                str(len(cells)),
            ]
        )
    head = ["game", "learner", "training rows", "test rows", "classes", "exact retraining, processor s", "seeds"]
    return grid(head, rows)


def _verdict(reached: bool) -> str:
    return "reached" if reached else "**missed**"


def _bars() -> str:
    found, floors = data("default"), data("noise")
    rows = []
    for name in [g for g in _games(found) if g in BAR_GAMES]:
        for metric in METRICS:
            cells = {k: c for k, c in found.items() if k[0] == name and k[2] == metric}
            if not cells:
                continue
            factor = 1.0 if metric == "accuracy" else 2.0
            floor = {k: c for k, c in floors.items() if k[0] == name}
            floor_tv = _over_seeds(floor, lambda c, m=metric: c[m]["tv"]).mean if floor else 0.0
            floor_worst = _over_seeds(floor, lambda c, m=metric: c[m]["worst"]).mean if floor else 0.0
            tv, worst = _over_seeds(cells, lambda c: c["tv"]), _over_seeds(cells, lambda c: c["worst"])
            cost = _over_seeds(cells, lambda c: c["cost_fraction"])
            tv_bar, worst_bar = max(TV_BAR * factor, floor_tv), max(WORST_BAR * factor, floor_worst)
            rows.append(
                [
                    name,
                    SHORT[metric],
                    f"{tv.text(3)} (≤ {tv_bar:.3f}: {_verdict(tv.mean <= tv_bar)})",
                    f"{worst.text(2)} (≤ {worst_bar:.1f}: {_verdict(worst.mean <= worst_bar)})",
                    f"{100 * cost.mean:.1f} ± {100 * cost.sd:.1f} % (≤ 6 %: {_verdict(cost.mean <= COST_BAR)})",
                    _coverage(name, metric),
                    f"{floor_tv:.3f} / {floor_worst:.1f}" if floor else _no_floor(name),
                ]
            )
    head = [
        "game",
        "metric",
        "TV",
        "worst share error, points",
        "cost of `value()`",
        "coverage",
        "noise floor TV / worst",
    ]
    intro = (
        "## The bars, full mode\n\nThe default `value()` from end to end: models trained, unlearned worths, audit, "
        "estimate. The noise floor is what exact retraining with a second seed would err (0 where "
        "training has no seed). "
        "Coverage counts 95 % share intervals that hold the exact share, over ten job seeds on each game seed (≥ 90 %)."
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
    return f"{100 * inside:.0f} % ({_verdict(inside >= COVERAGE_BAR)})"


def _default() -> str:
    found, again = data("default"), data("replays")
    rows = []
    for name in _games(found):
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
                    _over_seeds(cells, lambda c: c["evaluations"].get("retrain", 0)).text(0),
                    _over_seeds(cells, lambda c: c["evaluations"].get("unlearn", 0)).text(0),
                    _over_seeds(cells, lambda c: c["widest"]).text(2),
                    ", ".join(f"{k} ×{v}" for k, v in stops.items()),
                    _over_seeds(cells, lambda c: c["cpu"]).text(1),
                    _over_seeds(cells, lambda c: c["cpu"] * (1 - sum(c["worths_seconds"].values()) / c["wall"])).text(
                        1
                    ),
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


def _budgets() -> str:
    found = data("budgets")
    if not found:
        return ""
    rows = []
    for name in _games(found):
        for metric in METRICS:
            cells = [c for k, c in found.items() if k[0] == name and k[2] == metric]
            if not cells:
                continue
            row = [name, SHORT[metric]]
            for most in cells[0]:
                runs = [run for c in cells for run in c[most]]
                worst, tv = spread([r["worst"] for r in runs]), spread([r["tv"] for r in runs])
                inside = sum(r["covered"] for r in runs) / sum(r["players"] for r in runs)
                row.append(f"{worst.mean:.2f} / {tv.mean:.3f}, {100 * inside:.0f} %")
            rows.append(row)
    head = ["game", "metric", *(f"{most} retrained" for most in cells[0])]
    intro = (
        "### Error by retrainings bought\n\nThe default loop on stored worths, ended by `max_retrains` alone: mean "
        "worst share error in points / mean TV, and coverage of the 95 % share intervals. 46 retrainings are 6 % of "
        "768."
    )
    return f"{intro}\n\n{grid(head, rows)}"


def _methods() -> str:
    found, floors = data("methods"), data("noise")
    parts = [
        "## Unlearning methods against exact retraining",
        "All coalitions by each method, no retrained worth used: correlation of worths, Spearman of values, TV of "
        "shares, the residual variance ratio (what is left for the audit to correct: 0 perfect, 1 useless), and cost "
        "of the whole table as a fraction of exact retraining's processor time.",
    ]
    for name in _games(found):
        sources = sorted({k[2] for k in found if k[0] == name}, key=lambda s: _tv(found, name, s))
        rows = [_method_row(s, {k: c for k, c in found.items() if k[0] == name and k[2] == s}) for s in sources]
        floor = {k: c for k, c in floors.items() if k[0] == name}
        if floor:
            rows.insert(0, _method_row("retraining, second seed", floor))
        head = ["method", "cost", "r acc / cll", "Spearman acc / cll", "TV acc / cll", "RVR acc / cll", "seeds"]
        parts += [f"### {name}", grid(head, rows)]
    return "\n\n".join(parts)


def _tv(found: dict[tuple[str, ...], dict[str, Any]], name: str, source: str) -> float:
    return _over_seeds(
        {k: c for k, c in found.items() if k[0] == name and k[2] == source}, lambda c: c["accuracy"]["tv"]
    ).mean


def _method_row(source: str, cells: dict[tuple[str, ...], dict[str, Any]]) -> list[str]:
    def both(figure: str, digits: int) -> str:
        return " / ".join(_over_seeds(cells, lambda c, m=m: _number(c[m][figure])).text(digits) for m in METRICS)

    cost = _over_seeds(cells, lambda c: c["cost_fraction"])
    return [
        source.replace("unlearn_", "").replace("repair_", "repair: "),
        f"{100 * cost.mean:.1f} %",
        both("correlation", 2),
        both("spearman", 2),
        both("tv", 3),
        both("rvr", 2),
        str(len(cells)),
    ]


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def _forgetting() -> str:
    found = data("forgetting")
    parts = [
        "## Forgetting",
        "RMSE of accuracy against the retrained model, in hundredths, with (bias); then the share of "
        "test rows on which "
        "both predict alike; then cost per coalition next to retraining the same coalition. By how much of the rows is "
        "forgotten (within 5 points).",
    ]
    for name in _games(found):
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


def _estimators() -> str:
    found = data("estimators")
    if not found:
        return ""
    budgets = sorted({int(k.split("/")[2]) for cell in found.values() for k in cell})
    parts = [
        "## Estimators",
        "Retrained worths only, ten draws on each game seed: worst share error in points at so many distinct "
        "evaluations. (`multifidelity` here has no surrogate; with surrogates it is the default above.)",
    ]
    for name in _games(found):
        cells = [c for k, c in found.items() if k[0] == name]
        names = sorted({k.split("/")[1] for c in cells for k in c})
        rows = []
        for estimator in names:
            row = [estimator]
            for metric in METRICS:
                for budget in budgets:
                    row.append(spread([c[f"{metric}/{estimator}/{budget}"]["worst"] for c in cells]).text(1))
            own = [c[f"accuracy/{estimator}/{budgets[-1]}"]["own_seconds"] for c in cells]
            rows.append([*row, spread(own).text(2)])
        head = ["estimator", *(f"{SHORT[m]} {b}" for m in METRICS for b in budgets), f"own s at {budgets[-1]}"]
        parts += [f"### {name}", grid(head, rows)]
    parts.append("![Share error against evaluations](plots/estimators.png)")
    return "\n\n".join(parts)


def _peers() -> str:
    found = data("peers")
    if not found:
        return "## Peers\n\nNot measured: the peers' environment was absent (`make peers-env`)."
    parts = [
        "## Peers, side by side in one run",
        "The same players, test rows and learner (same objective and start; scikit-learn's looser "
        "tolerance for the peers' "
        "logistic regression), accuracy, judged by the same retrained table. `parallel` uses joblib on all cores. "
        "`antithetic-se.01` is pyDVL's permutation sampling without truncation until every standard error is under "
        ".01; `cached` is TMC with its in-memory cache. shapiq's estimators were given 200 evaluations.",
    ]
    for name in _games(found):
        cells = {k: c for k, c in found.items() if k[0] == name}
        rows = []
        for config in next(iter(cells.values())):
            here = [c[config] for c in cells.values() if config in c]
            done = [c for c in here if "failed" not in c]
            if not done:
                rows.append([config, here[0]["failed"], *[""] * 6])
                continue
            ours = [run for c in cells.values() for run in (c["cherish"], c["cherish again"])]
            wall, cpu = spread([c["wall"] for c in done]), spread([c["cpu"] for c in done])
            rows.append(
                [
                    config,
                    spread([c["trainings"] for c in done]).text(0),
                    wall.text(1),
                    cpu.text(1),
                    spread([c.get("worst", 0.0) for c in done]).text(2),
                    spread([c.get("tv", 0.0) for c in done]).text(3),
                    f"{wall.mean / spread([c['wall'] for c in ours]).mean:.1f}×",
                    f"{cpu.mean / spread([c['cpu'] for c in ours]).mean:.1f}×",
                ]
            )
        head = ["configuration", "trainings", "wall s", "processor s", "worst share error", "TV"]
        head += ["wall next to ours", "processor next to ours (bar 20× for TMC)"]
        parts += [f"### {name} ({len(cells)} seeds)", grid(head, rows)]
    return "\n\n".join(parts)


def _partial() -> str:
    found = data("partial")
    if not found:
        return ""
    rows = []
    for name in _games(found):
        cells = {k: c for k, c in found.items() if k[0] == name}
        sources = sorted({s for c in cells.values() for s in c if s != "players"})
        for source in sources:
            row = [name, source.replace("unlearn:", "")]
            for metric in METRICS:
                r = spread([_number(c[source][metric]["correlation"]) for c in cells.values() if source in c])
                mark = f" ({_verdict(r.mean >= PARTIAL_BAR[metric])})" if source == "unlearn:tangent" else ""
                row.append(r.text(2) + mark)
            rows.append([*row, str(len(cells))])
    intro = (
        "## Partial mode\n\nHalf the players hidden; only weights, the other half's rows and part of the test set as "
        "anchors. Correlation of the 32 coalitions' worths with retraining in which the hidden rows stay. Bars for the "
        "default method: .8 (accuracy), .9 (log-loss)."
    )
    return f"{intro}\n\n{grid(['game', 'method', 'r acc', 'r cll', 'seeds'], rows)}"


def _removal() -> str:
    found = data("removal")
    if not found:
        return ""
    rows = []
    for name in _games(found):
        cells = [c for k, c in found.items() if k[0] == name]
        for order in ("exact", "default", "leave-one-out"):
            rows.append(
                [
                    name,
                    order,
                    spread([c[order]["highest first"][3] for c in cells]).text(3),
                    spread([c[order]["lowest first"][3] for c in cells]).text(3),
                    spread([c["random"]["either"][3] for c in cells]).text(3),
                    spread([c[order]["auroc"] for c in cells]).text(2),
                    spread([c[order]["bad among lowest"] for c in cells]).text(1),
                ]
            )
    head = [
        "game",
        "values",
        "accuracy, 3 highest removed",
        "3 lowest removed",
        "3 random removed",
        "AUROC of bad players",
        "bad among the 2 lowest",
    ]
    return (
        "## Removal and detection\n\nRetrained accuracy after players are removed by value, and whether the flipped "
        f"and the noise player are found.\n\n{grid(head, rows)}\n\n![Removal curves](plots/removal.png)"
    )


def _scale() -> str:
    found = data("scale")
    players = sorted((int(k[2]), c) for k, c in found.items() if k[0] == "players")
    parts = []
    if players:
        rows = [
            [
                str(n),
                str(c["evaluations"].get("unlearn", 0)),
                str(c["evaluations"].get("retrain", 0)),
                f"{c['wall']:.1f} / {c['cpu']:.1f}",
                f"{c['own_cpu']:.1f}",
                f"{c['peak_mib']:.0f}",
                f"{c['worst']:.2f} / {c['tv']:.3f}",
                f"{c['widest']:.2f}",
                c["stopped_by"],
                f"{c['reference_retrainings']}; {c['reference_gap']['worst']:.2f}",
            ]
            for n, c in players
        ]
        head = [
            "players",
            "unlearned",
            "retrained",
            "wall / processor s",
            "of it estimating",
            "peak MiB",
            "worst share error / TV",
            "widest interval",
            "stopped by",
            "reference: retrainings; gap between its halves",
        ]
        parts += ["## Scale", "adult-logistic, one seed, `value()` at its defaults.", grid(head, rows)]
    rows = []
    for key, cell in sorted(found.items()):
        if key[0] == "throughput":
            base = cell["1"]["per_cpu_second"]
            labels = list(cell)
            rows.append([key[1], key[2].replace("_", ":"), *(f"{cell[k]['per_cpu_second']:.0f}" for k in labels)])
            best = max(cell[k]["per_cpu_second"] for k in labels)
            wall = cell["default, 2 threads"]["per_second"] / cell["1"]["per_second"]
            rows[-1] += [f"{best / base:.1f}×", f"{wall:.1f}×"]
    if rows:
        head = ["game", "source", *(f"stack {k}" if k.isdigit() else k for k in labels)]
        head += ["best over one at a time", "default on 2 threads over one at a time, wall (bar 4×)"]
        parts += ["### Coalitions per processor second by stack size", grid(head, rows)]
    if not parts:
        return "## Scale\n\nNot measured in this run (`python -m benchmarks scale`)."
    return "\n\n".join(parts)
