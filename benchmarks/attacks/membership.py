"""How well one row's membership in a dataset can be told from the bands of many quotes: the best attack we know.

The attacker knows many of the dataset's rows (more than it will have) and asks about one more: each question is a test
set of as many known rows as bring the share to the middle of a bound's range, where one row counts most, of the row
that is asked about, and of junk that makes it a new question. It counts how often the band is the higher one and
compares with the number halfway between what a member and a stranger give. ``python -m benchmarks.attacks.membership``
prints the table of docs/disclosure.md; nothing here needs a service.
"""

import math

import numpy as np

from app.disclosure.bands import LOWER_EDGE, Band, Bands
from app.settings import Settings

TRIALS = 20_000


def budget(settings: Settings) -> int:
    """How many new quotes one asker may ask of one dataset."""
    return settings.disclosure_points // settings.quote_points


def accuracy(bands: Bands, rows: int, questions: int, trials: int = TRIALS, seed: int = 0) -> float:
    """The part of ``trials`` rows, half of them members of a dataset of ``rows`` rows, that are told right."""
    rng = np.random.default_rng(seed)
    low, high = LOWER_EDGE
    known = math.floor(rows * (low + high) / 2)
    # the chance of the higher band, and by how much a member raises it
    chance, step = (known / rows - low) / (high - low), 1.0 / (rows * (high - low))
    halfway = questions * (chance + step / 2)
    right = 0
    for trial in range(trials):
        member = trial % 2
        nonces = rng.integers(0, 2**62, questions)
        told = [bands.band(known + member, rows, ("test", f"asker {trial}", str(nonce), "rows")) for nonce in nonces]
        right += int((told.count(Band.SOME) > halfway) == bool(member))
    return right / trials


def bound(rows: int, questions: int) -> float:
    """The same by theory: one of two binomials that differ by 1 / (0.3 n), told apart at their middle."""
    shift = math.sqrt(questions) / (rows * (LOWER_EDGE[1] - LOWER_EDGE[0]))
    return 0.5 * (1.0 + math.erf(shift / math.sqrt(2.0)))


def main() -> None:
    settings = Settings()
    bands = Bands.of(settings)
    print("| rows | new quotes | right, measured | by theory |\n|---|---|---|---|")
    for rows in (settings.told_rows, 1000):
        for questions in (1, budget(settings), 400):
            measured = accuracy(bands, rows, questions, min(TRIALS, 2_000_000 // questions))
            print(f"| {rows} | {questions} | {measured:.3f} | {bound(rows, questions):.3f} |")


if __name__ == "__main__":
    main()
