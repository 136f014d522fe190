"""docs/benchmarks.md from the cells: tables, the bars reached or missed and by how much, plots. Measures nothing.

Every figure is a mean over seeds with its standard deviation. The page is written whole each time; what a person has to
say about the numbers stands in benchmarks/notes.md and is taken over as it is.
"""

from benchmarks import plots, store
from benchmarks.markets import RECIPES
from benchmarks.report.cells import data, games, grid, over_seeds
from benchmarks.report.methods import forgetting, methods, partial
from benchmarks.report.others import estimators, peers, removal, scale
from benchmarks.report.whole import bars, budgets, default

PAGE = store.ROOT / "docs" / "benchmarks.md"
NOTES = store.ROOT / "benchmarks" / "notes.md"


def write() -> None:
    """Write the page and its plots."""
    sections = [
        _head(),
        bars(),
        default(),
        budgets(),
        methods(),
        forgetting(),
        estimators(),
        peers(),
        partial(),
        removal(),
        scale(),
        NOTES.read_text() if NOTES.is_file() else "",
    ]
    plots.draw()
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text("\n\n".join(section.strip() for section in sections if section.strip()) + "\n")
    print(f"wrote {PAGE.relative_to(store.ROOT)}")


def _head() -> str:
    machine = store.machine()
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
        f"{machine['scikit-learn']}; one thread inside torch. No GPU was at hand. Cells by the commit they were "
        f"measured at: {_commits()}.",
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


def _commits() -> str:
    """Which benchmarks' cells were measured at which commit: a page may stand on several."""
    found: dict[str, set[str]] = {}
    for name in sorted(path.name for path in store.folder().iterdir() if path.is_dir()):
        for cell in store.cells(name).values():
            found.setdefault(cell["machine"]["commit"], set()).add(name)
    return "; ".join(f"{commit} {', '.join(sorted(names))}" for commit, names in sorted(found.items())) or "none"


def _games_table() -> str:
    found = data("default")
    rows = []
    for name in games(found):
        cells = {key: cell for key, cell in found.items() if key[0] == name and key[2] == "accuracy"}
        recipe = RECIPES[name]
        rows.append(
            [
                name,
                f"`{recipe.learner}`",
                f"{recipe.train} (+ copy, noise)",
                str(recipe.test),
                str(recipe.classes),
                over_seeds(cells, lambda c: c["exact_cpu"]).text(0),
                str(len(cells)),
            ]
        )
    head = ["game", "learner", "training rows", "test rows", "classes", "exact retraining, processor s", "seeds"]
    return grid(head, rows)
