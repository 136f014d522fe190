"""Documents as blocks of token numbers for a language model, wherever that is done: by the service, or beside the data.

Each document is cut by itself: blocks of L + 1 tokens that overlap by one, so that every token but a document's first
is predicted exactly once, and no token from another document. The last block is filled with NO_TOKEN. Pure.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

NO_TOKEN = -1
FINGERPRINT_BYTES = 16
Encode = Callable[[str], Sequence[int]]
Tokens = NDArray[np.int64]
_PIECE = 1 << 16


def tokens_of(document: str, encode: Encode | None = None) -> Tokens:
    """Token numbers int64[t]: UTF-8 bytes, or what ``encode`` answers.

    A tokenizer is given pieces of at most 65,536 characters, cut at white space where there is some, so that a line
    of hundreds of megabytes takes no more memory than its tokens.
    """
    if encode is None:
        return np.frombuffer(document.encode(), dtype=np.uint8).astype(np.int64)
    pieces = [np.asarray(encode(piece), dtype=np.int64) for piece in pieces_of(document)]
    return np.concatenate(pieces) if pieces else np.empty(0, dtype=np.int64)


def pieces_of(document: str) -> list[str]:
    """A document in pieces that a tokenizer is given one at a time."""
    pieces, start = [], 0
    while start < len(document):
        end = min(start + _PIECE, len(document))
        if end < len(document):
            space = max(document.rfind(mark, start + 1, end) for mark in (" ", "\n", "\t"))
            end = space if space > start else end
        pieces.append(document[start:end])
        start = end
    return pieces


def cut(tokens: Tokens, context: int) -> NDArray[np.float32]:
    """The blocks float32[n, context + 1] of one document of two tokens or more (exact for numbers below 2^24)."""
    count = -(-(len(tokens) - 1) // context)
    padded = np.full(count * context + 1, NO_TOKEN, dtype=np.float32)
    padded[: len(tokens)] = tokens
    starts = np.arange(count)[:, None] * context
    blocks: NDArray[np.float32] = padded[starts + np.arange(context + 1)[None, :]]
    return blocks


def fingerprints(tokens: NDArray[np.float32]) -> NDArray[np.float32]:
    """float32[n, 8] of blocks [n, context + 1]: 128 bits of each block's hash, as eight whole numbers."""
    whole = np.ascontiguousarray(tokens, dtype="<i4")
    return unpacked(b"".join(fingerprint(row.data) for row in whole))


def fingerprint(content: Any) -> bytes:
    """128 bits of a hash of some bytes."""
    return hashlib.blake2b(content, digest_size=FINGERPRINT_BYTES).digest()


def unpacked(hashes: bytes) -> NDArray[np.float32]:
    """float32[n, 8] of n fingerprints in a row."""
    parts = np.frombuffer(hashes, dtype="<u2").reshape(-1, FINGERPRINT_BYTES // 2)
    return parts.astype(np.float32)
