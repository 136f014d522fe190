"""docs/benchmarks.md from the cells: tables, the bars reached or missed and by how much, plots. Measures nothing.

Every figure is a mean over seeds with its standard deviation. The page is written whole each time; the conclusions are
those of benchmarks/notes.md, unchanged. Machine and commits go into docs/benchmarks-provenance.md.
"""

from benchmarks import marks, plots, store
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
    marks.fill(marks.PROVENANCE, "engine", _provenance())
    print(f"wrote {PAGE.relative_to(store.ROOT)}")


def _head() -> str:
    text = [
        "# Benchmarks",
        "`make bench` writes this page from its measurements. Figures are means over seeds ± their standard deviation. "
        "**Bold** misses its bar.",
        "- `acc` is accuracy, `cll` clipped log-loss (each row floored at -2 log classes).\n"
        "- *Exact* means that every coalition is retrained.\n"
        "- *Share error* is |share - exact share| in points of the pool; *worst* is the largest of any player. *TV* is "
        "half the sum over players, as a fraction.\n"
        "- *Cost* is processor seconds next to those of exact retraining, measured in the same run with one thread "
        "inside torch.",
        "Machine, versions, commits, caveats, and what the default does otherwise today: "
        "[benchmarks-provenance.md](benchmarks-provenance.md).",
        "To repeat: `make bench`, or `.venv/bin/python -m benchmarks [--quick] [--games …] [--seeds N] [name …]`. "
        "Cells are kept under `.cherish/bench`; a run that was stopped goes on. `make peers-env` makes the environment "
        "of pyDVL and shapiq. Without the data folder (`CHERISH_DATA`) only the digits games run.",
        "## The games",
        "Ten players each: seven honest ones with skewed labels and unequal sizes, one with 40 % of its labels "
        "flipped, one exact copy, one of pure noise. Because of the copy 768 of the 1,024 coalitions differ in "
        "content; exact retraining is charged for those only.",
        _games_table(),
    ]
    return "\n\n".join(text)


def _provenance() -> str:
    machine = store.machine()
    return (
        f"- Machine: {machine['processor']}, {machine['cores']} cores, {machine['memory']}, {machine['system']}; "
        f"Python {machine['python']}, torch {machine['torch']}, numpy {machine['numpy']}, scikit-learn "
        f"{machine['scikit-learn']}; no GPU.\n"
        f"- Cells by the commit they were measured at: {_commits()}."
    )


def _commits() -> str:
    """Which benchmarks' cells were measured at which commit: a page may rest on several."""
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
