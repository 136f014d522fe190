"""``cherish demo --text FOLDER``: a language-model job on a folder of text files, on this machine and without a server.

Authors (what a file's name begins with, up to the first ``-``) are providers, six at most; the rest of the folder, or
where nothing is left a fifth of every text, trains a small byte-level base model first. One provider is offered a
second time as an exact copy, and one more is noise: shuffled bytes. The base is kept as a folder in the Hugging Face
layout, the adapter trained on everybody as a PEFT folder, beside the result. It reads nothing but the folder.
"""

import json
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from app.cli.valuing.request import engine_errors
from app.datasets.rows.corpora import BYTES, pack, read_corpus
from app.errors import InvalidInput
from contract.rows.token_blocks import tokens_of

if TYPE_CHECKING:
    from worker.engine.evaluation.evaluator import Evaluator

CONTEXT, PLAYERS, MOST_BLOCKS, TEST_BLOCKS = 128, 6, 160, 5
_RANK = 4
_SHAPE: dict[str, float | int | str] = {"layers": 2, "width": 96, "heads": 4}
_BASE: dict[str, float | int | str] = {**_SHAPE, "rank": 0, "steps": 500, "batch": 16, "lr": 0.003}
_ADAPTERS: dict[str, float | int | str] = {**_SHAPE, "rank": _RANK, "steps": 50, "batch": 8, "lr": 0.005}
_RETRAININGS, _SEED = 48, 7
Blocks = NDArray[np.float32]


def demo_text(folder: Path, home: Path) -> None:
    """Train a small base, value the authors, print shares and perplexities, write everything beneath ``home``."""
    console, begun = Console(), time.monotonic()
    offered, spare = _authors(folder)
    with engine_errors():
        evaluator = _evaluator(offered, spare, home, console)
        result = _valued(evaluator, list(offered), home, console)
    seconds = round(time.monotonic() - begun, 1)
    path = home / "demo-text.json"
    path.write_text(json.dumps(result | {"seconds": seconds}, indent=1, allow_nan=False) + "\n")
    console.print(f"Written to {path}, the models beside it, in {seconds:.0f} s.", soft_wrap=True)


def _authors(folder: Path) -> tuple[dict[str, Blocks], Blocks]:
    """Providers' blocks by author, those with most text first, and the blocks that train the base."""
    if not folder.is_dir():
        raise InvalidInput(f"--text {folder}: there is no such folder; name a folder of .txt files")
    texts: dict[str, list[str]] = {}
    for file in sorted(folder.glob("*.txt")):
        texts.setdefault(file.stem.split("-")[0], []).extend(read_corpus(file, file.name))
    blocks = {author: pack([tokens_of(text) for text in own], CONTEXT, author) for author, own in texts.items()}
    large = sorted((name for name in blocks if len(blocks[name]) >= 40), key=lambda name: -len(blocks[name]))
    if len(large) < 2:
        raise InvalidInput(
            f"--text {folder}: {len(large)} authors have 5 kB of text or more; at least 2 are needed (an author is what"
            " a .txt file's name begins with, up to the first -)"
        )
    players, left = large[:PLAYERS], [name for name in blocks if name not in large[:PLAYERS]]
    if left:
        return {name: blocks[name] for name in players}, np.concatenate([blocks[name] for name in left])
    fifths = {name: len(blocks[name]) // 5 for name in players}
    spare = np.concatenate([blocks[name][: fifths[name]] for name in players])
    return {name: blocks[name][fifths[name] :] for name in players}, spare


def _evaluator(offered: dict[str, Blocks], spare: Blocks, home: Path, console: Console) -> "Evaluator":
    from worker.engine.evaluation.evaluator import Evaluator
    from worker.engine.games.problem import LearnerSpec, PlayerData, Problem, Rows
    from worker.loading.model_folders import write_base

    rng = np.random.default_rng(_SEED)
    players, tests = [], []
    for number, (name, blocks) in enumerate(offered.items()):
        picked = rng.permutation(len(blocks) - 1)  # the last block may be short
        tests.append(blocks[picked[:TEST_BLOCKS]])
        own = blocks[picked[TEST_BLOCKS : TEST_BLOCKS + MOST_BLOCKS]]
        players.append(PlayerData(name, own, np.full(len(own), number)))
    copied, first = players[-1], players[0].X
    players.append(PlayerData(f"{copied.name}, copied", copied.X, copied.y))
    noise = rng.permuted(first.reshape(-1)).reshape(first.shape)
    players.append(PlayerData(f"{players[0].name}, shuffled", noise, np.zeros(len(noise), dtype=np.int64)))
    weights = _base(spare, home, console)
    write_base(home / "base", _SHAPE, weights, BYTES)
    labels = np.repeat(np.arange(len(tests)), TEST_BLOCKS)
    problem = Problem(
        players=players,
        test=Rows(np.concatenate(tests), labels, name="the test set"),
        classes=BYTES,
        learner=LearnerSpec("lm", _ADAPTERS),
        metric="log_loss",
        seed=_SEED,
        checkpoint={f"frozen.{name}": array for name, array in weights.items()},
    )
    return Evaluator(problem, threads=min(2, os.cpu_count() or 1))


def _base(spare: Blocks, home: Path, console: Console) -> dict[str, NDArray[Any]]:
    """The base's weights: trained from nothing on what nobody provides."""
    import torch

    from worker.engine.games.problem import LearnerSpec, PlayerData, Problem, Rows
    from worker.engine.learners import make_learner
    from worker.engine.tensors import batching
    from worker.engine.tensors.batching import Pool

    rows = Rows(spare, np.zeros(len(spare), dtype=np.int64), name="the base's texts")
    game = Problem([PlayerData("base", rows.X, rows.y)], rows, BYTES, LearnerSpec("lm", _BASE), seed=_SEED)
    learner = make_learner(game.learner, game.feature_shape, BYTES)
    home.mkdir(parents=True, exist_ok=True)
    with (
        batching.single_threaded(),
        console.status(f"Training a base model of {learner.layout.width:,} parameters ..."),
    ):
        pool = Pool(game, torch.device("cpu"), learner.dtype)
        trained = learner.train(learner.start(_SEED), pool, np.ones((1, 1), dtype=bool), _SEED, lambda: None)
    console.print(f"A base model of {learner.layout.width:,} parameters, trained on {len(spare) * CONTEXT:,} bytes.")
    return learner.layout.unpack(trained[0])


def _valued(evaluator: "Evaluator", names: list[str], home: Path, console: Console) -> dict[str, Any]:
    from app.cli.valuing.value import show
    from contract.learning.methods import default_method
    from contract.orders.spec import ValuationSpec
    from worker.engine.valuation import value
    from worker.jobs.domains import perplexities
    from worker.loading.model_folders import write_adapter

    best = default_method("lm", "full")
    spec = ValuationSpec(metric="log_loss", unlearning=best, max_retrains=_RETRAININGS, share_ci=2.0, seed=_SEED)
    with console.status("Valuing the authors ..."):
        valuation = value(
            evaluator, spec, lambda progress: console.print(f"Round {progress.round} ...", soft_wrap=True)
        )
    show(replace(valuation, digests={}), console)
    rows = perplexities(evaluator, names)
    for row in rows:
        console.print(f"Perplexity per byte on {row.domain}: {row.base:.2f} before, {row.full:.2f} with everybody.")
    arrays = evaluator.learner.layout.unpack(evaluator.context.full)
    write_adapter(home / "adapter", arrays, _RANK, 8.0, str(home / "base"))
    return {**valuation.to_dict(), "perplexity": [row.plain() for row in rows]}
