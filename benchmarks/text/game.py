"""The Gutenberg games. ``authors``: six authors, none like another, an exact copy of one, and noise. ``alike``: three
authors, whose eight providers have books of the same author or parts of one book.

Every text is cut into parts for the providers and, apart from them, a part for the test set; the base model is trained
on authors who provide nothing. All draws are seeded. Nothing here unlearns or measures.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.datasets.rows.corpora import BYTES, pack
from contract.rows.token_blocks import tokens_of
from worker.engine.games.problem import LearnerSpec, PlayerData, Problem, Rows
from worker.engine.learners import make_learner
from worker.engine.tensors import batching
from worker.engine.tensors.batching import Pool

CONTEXT = 128
# Sizes: "million" is what the goal names, 25 minutes of a core for each seed; "small" an eighth of it, a minute or two.
SIZE = os.environ.get("CHERISH_TEXT_SIZE", "million")
_SHAPES: dict[str, dict[str, int]] = {
    "small": {"layers": 2, "width": 64, "heads": 2},
    "million": {"layers": 3, "width": 160, "heads": 5},
}
_STEPS = {"small": (24, 8, 500), "million": (80, 8, 1200)}
SHAPE = _SHAPES[SIZE]
STEPS, BATCH, BASE_STEPS = _STEPS[SIZE]
ADAPTERS = {**SHAPE, "rank": 4, "alpha": 8.0, "steps": STEPS, "batch": BATCH, "lr": 0.003}
BASE = {**SHAPE, "rank": 0, "steps": BASE_STEPS, "batch": 16, "lr": 0.003}
NOISE, COPY, COPIED = "chesterton-shuffled", "milton-copy", "milton"


@dataclass(frozen=True)
class Text:
    """A domain of the test set, and who provides how many other blocks of the same files; unequal on purpose."""

    files: tuple[str, ...]
    blocks: dict[str, int]


@dataclass(frozen=True)
class Game:
    """Who provides what, and which providers are hidden in partial mode, chosen before anything was measured."""

    title: str
    texts: tuple[Text, ...]
    hidden: tuple[tuple[str, ...], ...]
    copies: dict[str, str] = field(default_factory=dict)
    noise: str | None = None


_GAMES = {
    "authors": Game(
        title="Benchmarks: language models",
        texts=(
            Text(("austen-emma", "austen-persuasion"), {"austen": 240}),
            Text(("carroll-alice",), {"carroll": 100}),
            Text(("melville-moby_dick",), {"melville": 200}),
            Text(("milton-paradise",), {COPIED: 160}),
            Text(("shakespeare-hamlet", "shakespeare-macbeth"), {"shakespeare": 160}),
            Text(("whitman-leaves",), {"whitman": 120}),
        ),
        hidden=(
            ("austen", "whitman", "shakespeare"),
            ("melville", "carroll", NOISE),
            (COPIED, COPY, "whitman"),
            ("austen", "carroll", NOISE),
            ("shakespeare", "melville", "whitman"),
        ),
        copies={COPIED: COPY},
        noise=NOISE,
    ),
    "alike": Game(
        title="Benchmarks: language models, providers who are alike",
        texts=(
            Text(("austen-emma",), {"emma": 240}),
            Text(("austen-persuasion",), {"persuasion": 160}),
            Text(("austen-sense",), {"sense": 100}),
            Text(("melville-moby_dick",), {"melville-1": 200, "melville-2": 120}),
            Text(("shakespeare-caesar",), {"caesar": 100}),
            Text(("shakespeare-hamlet",), {"hamlet": 160}),
            Text(("shakespeare-macbeth",), {"macbeth": 120}),
        ),
        hidden=(
            ("emma", "hamlet", "melville-1"),
            ("emma", "persuasion", "sense"),
            ("caesar", "hamlet", "macbeth"),
            ("melville-1", "melville-2", "emma"),
            ("persuasion", "caesar", "melville-2"),
        ),
    ),
}
NAME = os.environ.get("CHERISH_TEXT_GAME", "authors")
GAME = _GAMES[NAME]
CELLS = "text" if NAME == "authors" else f"text-{NAME}"  # where its measurements are kept
TEST_BLOCKS = 5
BASE_FILES = ("bryant-stories", "burgess-busterbrown", "edgeworth-parents", "chesterton-brown")
Blocks = NDArray[np.float32]


def corpora() -> Path:
    """The folder of texts (``CHERISH_TEXTS``, else ../shared/data/gutenberg)."""
    default = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "gutenberg"
    return Path(os.environ.get("CHERISH_TEXTS", default))


def _blocks(files: tuple[str, ...]) -> Blocks:
    documents = [tokens_of((corpora() / f"{name}.txt").read_text(encoding="latin-1")) for name in files]
    return pack(documents, CONTEXT)


def _holders(name: str) -> tuple[str, ...]:
    """A provider and who holds a copy of its rows."""
    return (name, GAME.copies[name]) if name in GAME.copies else (name,)


def problem(seed: int, base: dict[str, NDArray[np.float32]]) -> Problem:
    """The game of a seed: which blocks each provider has, and the seed of training."""
    rng = np.random.default_rng(seed)
    players, tests, domains = [], [], []
    for domain, text in enumerate(GAME.texts):
        blocks = _blocks(text.files)
        picked = rng.permutation(len(blocks) - 1)  # the last block of a text may be short
        tests.append(blocks[picked[:TEST_BLOCKS]])
        domains += [domain] * TEST_BLOCKS
        begun = TEST_BLOCKS
        for name, count in text.blocks.items():
            mine = blocks[picked[begun : begun + count]]
            begun += count
            players += [PlayerData(each, mine, np.full(count, domain)) for each in _holders(name)]
    if GAME.noise:
        noise = _blocks(("chesterton-thursday",))[:120]
        shuffled = rng.permuted(noise.reshape(-1)).reshape(noise.shape)
        players.append(PlayerData(GAME.noise, shuffled, np.full(len(noise), len(GAME.texts))))
    return Problem(
        players=players,
        test=Rows(np.concatenate(tests), np.array(domains), name="the test set"),
        classes=BYTES,
        learner=LearnerSpec("lm", ADAPTERS),
        metric="log_loss",
        seed=seed,
        checkpoint={f"frozen.{name}": array for name, array in base.items()},
    )


def train_base(seed: int) -> dict[str, NDArray[np.float32]]:
    """The base model's weights, trained from nothing on authors who provide nothing."""
    blocks = _blocks(BASE_FILES)
    rows = Rows(blocks, np.zeros(len(blocks), dtype=np.int64))
    game = Problem([PlayerData("base", rows.X, rows.y)], rows, BYTES, LearnerSpec("lm", BASE), seed=seed)
    learner = make_learner(game.learner, game.feature_shape, game.classes)
    with batching.single_threaded():
        pool = Pool(game, batching.torch.device("cpu"), learner.dtype)
        trained = learner.train(learner.start(seed), pool, np.ones((1, 1), dtype=bool), seed, lambda: None)
    return learner.layout.unpack(trained[0])
