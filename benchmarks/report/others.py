"""Estimators, other libraries, removal and scale."""

from benchmarks.measures import spread
from benchmarks.report.cells import SHORT, data, games, grid
from benchmarks.tables import METRICS

SHOWN = (100, 400)  # of the numbers of evaluations that were measured


def estimators() -> str:
    found = data("estimators")
    if not found:
        return ""
    budgets = sorted({int(k.split("/")[2]) for cell in found.values() for k in cell})
    shown = [budget for budget in budgets if budget in SHOWN]
    parts = [
        "## Estimators",
        "Retrained worths only, ten draws on each game seed: worst share error in points after "
        f"{' and '.join(map(str, shown))} distinct evaluations; the figure has more. `multifidelity` has no surrogate "
        "here; with surrogates it is the default above.",
    ]
    for name in games(found):
        cells = [c for k, c in found.items() if k[0] == name]
        names = sorted({k.split("/")[1] for c in cells for k in c})
        rows = []
        for estimator in names:
            row = [estimator]
            for metric in METRICS:
                for budget in shown:
                    row.append(spread([c[f"{metric}/{estimator}/{budget}"]["worst"] for c in cells]).text(1))
            own = [c[f"accuracy/{estimator}/{budgets[-1]}"]["own_seconds"] for c in cells]
            rows.append([*row, spread(own).text(2)])
        head = ["estimator", *(f"{SHORT[m]} {b}" for m in METRICS for b in shown), f"own s at {budgets[-1]}"]
        parts += [f"### {name}", grid(head, rows)]
    parts.append("![Share error against evaluations](plots/estimators.png)")
    return "\n\n".join(parts)


# what a configuration of another library means, where its name does not say it
_PEERS = {
    "parallel": "`parallel` uses joblib on all cores.",
    "antithetic-se.01": "`antithetic-se.01` is pyDVL's permutation sampling without truncation until every standard "
    "error is under .01.",
    "cached": "`cached` is TMC with its in-memory cache.",
}


def peers() -> str:
    found = data("peers")
    if not found:
        return "## Peers\n\nNot measured: the peers' environment was absent (`make peers-env`)."
    parts = [
        "## Peers, side by side in one run",
        "Same players, test rows, objective and start (scikit-learn's logistic regression has a looser tolerance), "
        "by accuracy, judged by the same retrained table. shapiq's estimators have 200 evaluations.",
    ]
    measured = {config for cell in found.values() for config in cell}
    parts[-1] = " ".join([parts[-1], *(line for end, line in _PEERS.items() if any(c.endswith(end) for c in measured))])
    for name in games(found):
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


def removal() -> str:
    found = data("removal")
    if not found:
        return ""
    rows = []
    for name in games(found):
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
        "## Removal and detection\n\nRetrained accuracy after players are removed by value, and whether the player "
        "with flipped labels and the noise player are detected.\n\n"
        f"{grid(head, rows)}\n\n![Removal curves](plots/removal.png)"
    )


def scale() -> str:
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
