"""Free text as numbers: hashed words, pairs of words and runs of characters. Pure numpy; no vocabulary is fitted, so
nobody's rows decide how another's are read.

Lower-cased words (letters and digits of any script), alone and in neighbouring pairs, and the runs of two to four
characters inside them are hashed with a sign into ``WIDTH`` columns (Weinberger et al. 2009), each counted once a row;
the row is then brought to length 1, so a long text weighs no more than a short one. Words and characters weigh alike in
the sum of squares. Of Chinese and Japanese each character counts as a word, since no space parts their words; the runs
weigh as much less as there are such characters. Runs are what word forms share, and what other texts without spaces
(Thai) have. The same text is the same numbers everywhere, whatever else is in the job.
"""

import itertools
import re
import zlib
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

WIDTH = 1024
FEWEST_DISTINCT = 4
FEWEST_WORDS = 4
MOST_WORDS = 20_000
RUNS = (2, 3, 4)
_WORD = re.compile(r"[^\W_]+")
# kana and Han characters
_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_WORD_OR_CHARACTER = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+")
_CHARACTER = re.compile(rf"[{_UNSPACED}]")
_SPACE = re.compile(r"\s+")


def is_prose(counts: Mapping[str, int]) -> bool:
    """Whether a column of texts is read as prose and not as categories, by how many cells hold each text: more than
    half of the cells hold a text that no other cell holds. Fewer than four distinct texts do not tell; then prose has
    four words or more on average."""
    if len(counts) < FEWEST_DISTINCT:
        words = sum(len(_SPACE.split(text.strip())) * count for text, count in counts.items())
        return bool(counts) and words >= FEWEST_WORDS * sum(counts.values())
    alone = sum(count == 1 for count in counts.values())
    return 2 * alone > sum(counts.values())


def hashed(text: str, *, runs: bool = True, characters: bool = True) -> NDArray[np.float32]:
    """float32[WIDTH] of one text, of length 1; zeros where it has no word. Words after the 20,000th are not read.

    Without ``runs`` words and their pairs alone are read, without ``characters`` Chinese and Japanese between two marks
    are one word: as in jobs from before they were read otherwise.
    """
    pattern = _WORD_OR_CHARACTER if characters else _WORD
    words = [match.group() for match in pattern.finditer(text.lower()[: 16 * MOST_WORDS])][:MOST_WORDS]
    coded = [word.encode() for word in words]
    row = _signed({*coded, *(first + b" " + second for first, second in itertools.pairwise(coded))})
    if runs:
        pieces = {word[at : at + n].encode() for word in set(words) for n in RUNS for at in range(len(word) - n + 1)}
        spaced = sum(_CHARACTER.match(word) is None for word in words) / len(words) if characters and words else 1.0
        row = _unit(row) + spaced * _unit(_signed(b"\0" + piece for piece in pieces))
    return _unit(row).astype(np.float32)


def _signed(grams: Iterable[bytes]) -> NDArray[np.float64]:
    """float64[WIDTH]: whole numbers, so the order of ``grams`` cannot matter."""
    codes = np.fromiter((zlib.crc32(gram) for gram in grams), dtype=np.int64)
    signs = np.where(codes >> 31, 1.0, -1.0)
    return np.bincount(codes % WIDTH, weights=signs, minlength=WIDTH).astype(np.float64)


def _unit(row: NDArray[np.float64]) -> NDArray[np.float64]:
    length = float(np.sqrt(np.square(row).sum()))
    return row / length if length else row
