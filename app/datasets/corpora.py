"""Text corpora: files become documents, documents become blocks of token numbers for a language model. No torch here.

Files are read by ``readers``: a ``.txt`` or ``.md`` is one document, a zip one per text file in it, and in JSON lines,
CSV and Parquet each value of the column ``text`` is one; a folder is all of these beneath it, by name. ``pack`` cuts
each document by itself: blocks of L + 1 tokens that overlap by one, so that every token but a document's first is
predicted exactly once, and no token from another document. The last block is filled with NO_TOKEN. Nothing is shuffled,
truncated or joined.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from app.datasets.readers import read_table
from app.datasets.readers.documents import TEXT_COLUMN
from app.datasets.readers.types import is_text
from app.errors import InvalidData

NO_TOKEN = -1
BYTES = 256
SUFFIXES = {".txt": "text", ".md": "text", ".jsonl": "jsonl", ".zip": "zip", ".csv": "csv", ".parquet": "parquet"}
Tokens = NDArray[np.int64]
Encode = Callable[[str], Sequence[int]]
_PIECE = 1 << 16


def read_corpus(path: Path, name: str = "") -> list[str]:
    """The documents of a file or folder that are not empty; raises InvalidData naming file, place and mend."""
    name = name or path.name
    if not path.exists():
        raise InvalidData(f"{name}: there is no file or folder {path}; check the path")
    if path.is_dir():
        return [text for file in text_files(path, recursive=True) for text in read_corpus(file, file.name)]
    table = read_table(path, SUFFIXES.get(path.suffix), name=name)
    if TEXT_COLUMN not in table.column_names or not is_text(table.column(TEXT_COLUMN).type):
        there = ", ".join(f"`{column}`" for column in table.column_names[:8])
        raise InvalidData(f"{name}: no column `{TEXT_COLUMN}` of texts, only {there}; name the documents' column so")
    documents = [text for text in table.column(TEXT_COLUMN).cast(pa.string()).to_pylist() if text]
    if not documents:
        raise InvalidData(f"{name}: there is no text in it; send at least one document that is not empty")
    return documents


def text_files(folder: Path, *, recursive: bool = False) -> list[Path]:
    """The files of a folder that can hold texts, by name; raises InvalidData where there is none."""
    found = sorted(p for p in (folder.rglob("*") if recursive else folder.iterdir()) if p.suffix in SUFFIXES)
    if not found:
        raise InvalidData(f"{folder}: the folder has no {', '.join(SUFFIXES)} file; put the texts there")
    return found


def tokens_of(document: str, encode: Encode | None = None) -> Tokens:
    """Token numbers int64[t]: UTF-8 bytes, or what ``encode`` answers.

    A tokenizer is given pieces of at most 65,536 characters, cut at white space where there is some, so that a line
    of hundreds of megabytes takes no more memory than its tokens.
    """
    if encode is None:
        return np.frombuffer(document.encode(), dtype=np.uint8).astype(np.int64)
    pieces = [np.asarray(encode(piece), dtype=np.int64) for piece in _pieces(document)]
    return np.concatenate(pieces) if pieces else np.empty(0, dtype=np.int64)


def _pieces(document: str) -> list[str]:
    pieces, start = [], 0
    while start < len(document):
        end = min(start + _PIECE, len(document))
        if end < len(document):
            space = max(document.rfind(mark, start + 1, end) for mark in (" ", "\n", "\t"))
            end = space if space > start else end
        pieces.append(document[start:end])
        start = end
    return pieces


def pack(documents: Sequence[Tokens], context: int, name: str = "the corpus") -> NDArray[np.float32]:
    """Blocks float32[n, context + 1] (exact for token numbers below 2^24), documents in order; raises InvalidData."""
    cut = [_cut(tokens, context) for tokens in documents if len(tokens) > 1]
    if not cut:
        raise InvalidData(f"{name}: no document has two tokens, so nothing can be predicted; send longer texts")
    return np.concatenate(cut)


def _cut(tokens: Tokens, context: int) -> NDArray[np.float32]:
    count = -(-(len(tokens) - 1) // context)
    padded = np.full(count * context + 1, NO_TOKEN, dtype=np.float32)
    padded[: len(tokens)] = tokens
    starts = np.arange(count)[:, None] * context
    blocks: NDArray[np.float32] = padded[starts + np.arange(context + 1)[None, :]]
    return blocks
