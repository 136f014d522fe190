"""The Gutenberg game: eight authors as providers, one of them noise and one an exact copy, six domains in the test set.

Every text is cut into a part for the provider and, apart from it, a part for the test set; the base model is trained
on authors who provide nothing. All draws are seeded. Nothing here unlearns or measures.
"""

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.datasets.corpora import BYTES, pack, tokens_of
from worker.engine import batching
from worker.engine.batching import Pool
from worker.engine.learners import make_learner
from worker.engine.problem import LearnerSpec, PlayerData, Problem, Rows

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
# provider -> (files, blocks): unequal on purpose
AUTHORS = {
    "austen": (("austen-emma", "austen-persuasion"), 240),
    "carroll": (("carroll-alice",), 100),
    "melville": (("melville-moby_dick",), 200),
    "milton": (("milton-paradise",), 160),
    "shakespeare": (("shakespeare-hamlet", "shakespeare-macbeth"), 160),
    "whitman": (("whitman-leaves",), 120),
}
NOISE, COPY, COPIED = "chesterton-shuffled", "milton-copy", "milton"
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


def problem(seed: int, base: dict[str, NDArray[np.float32]]) -> Problem:
    """The game of a seed: which blocks each provider has, and the seed of training."""
    rng = np.random.default_rng(seed)
    players, tests, domains = [], [], []
    for domain, (name, (files, count)) in enumerate(AUTHORS.items()):
        blocks = _blocks(files)
        picked = rng.permutation(len(blocks) - 1)  # the last block of a text may be short
        tests.append(blocks[picked[:TEST_BLOCKS]])
        domains += [domain] * TEST_BLOCKS
        mine = blocks[picked[TEST_BLOCKS : TEST_BLOCKS + count]]
        players.append(PlayerData(name, mine, np.full(count, domain)))
        if name == COPIED:
            players.append(PlayerData(COPY, mine, np.full(count, domain)))
    noise = _blocks(("chesterton-thursday",))[:120]
    shuffled = rng.permuted(noise.reshape(-1)).reshape(noise.shape)
    players.append(PlayerData(NOISE, shuffled, np.full(len(noise), len(AUTHORS))))
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
