"""Text corpora: files become documents, documents become blocks of token numbers for a language model. No torch here.

A ``.txt`` (or any other) file is one document; ``.jsonl`` one document a line, its field ``text``; a ``.zip`` one
document per ``.txt`` member; a folder all of these beneath it, by name. Everything is UTF-8 or refused with the place
of the first bad byte. ``pack`` cuts each document by itself: blocks of L + 1 tokens that overlap by one, so that every
token but a document's first is predicted exactly once, and no token from another document. The last block is filled
with NO_TOKEN. Nothing is shuffled, truncated or joined, and nothing is unpickled or executed.
"""

import json
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.errors import InvalidData, PayloadTooLarge

NO_TOKEN = -1
BYTES = 256
MAX_BYTES = 1 << 30
Tokens = NDArray[np.int64]
Encode = Callable[[str], Sequence[int]]
_PIECE = 1 << 16


def read_corpus(path: Path, name: str = "", *, max_bytes: int = MAX_BYTES) -> list[str]:
    """The documents of a file or folder; raises InvalidData, naming file, place and mend, or PayloadTooLarge."""
    name = name or path.name
    if not path.exists():
        raise InvalidData(f"{name}: there is no file or folder {path}; check the path")
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.is_file() and p.suffix in (".txt", ".jsonl", ".zip"))
        if not files:
            raise InvalidData(f"{name}: the folder {path} has no .txt, .jsonl or .zip file; put the texts there")
        documents = [text for file in files for text in read_corpus(file, file.name, max_bytes=max_bytes)]
    elif path.suffix in (".pt", ".bin", ".pkl", ".pickle"):
        raise InvalidData(f"{name}: {path.suffix} files are never read; send text, JSONL or a zip of text files")
    else:
        if path.stat().st_size > max_bytes:
            raise PayloadTooLarge(f"{name}: {path.stat().st_size} bytes, and {max_bytes} are allowed; split the corpus")
        documents = _documents(path, name, max_bytes)
    if not any(documents):
        raise InvalidData(f"{name}: there is no text in it; send at least one document that is not empty")
    return [text for text in documents if text]


def _documents(path: Path, name: str, max_bytes: int) -> list[str]:
    if path.suffix == ".zip":
        return _unzipped(path, name, max_bytes)
    text = _decoded(path.read_bytes(), name)
    return _lines(text, name) if path.suffix == ".jsonl" else [text]


def _decoded(raw: bytes, name: str) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidData(
            f"{name}: byte {error.start + 1} (0x{raw[error.start]:02x}) is not UTF-8; save the text as UTF-8"
        ) from None


def _lines(text: str, name: str) -> list[str]:
    documents = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (json.JSONDecodeError, RecursionError):
            raise InvalidData(f'{name}: line {number} is not JSON; write one object {{"text": ...}} a line') from None
        if not isinstance(record, dict) or not isinstance(record.get("text"), str):
            raise InvalidData(f'{name}: line {number} has no string `text`; write one object {{"text": ...}} a line')
        documents.append(record["text"])
    return documents


def _unzipped(path: Path, name: str, max_bytes: int) -> list[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = sorted(
                (each for each in archive.infolist() if not each.is_dir() and each.filename.endswith(".txt")),
                key=lambda each: each.filename,
            )
            size = sum(each.file_size for each in members)
            if size > max_bytes:
                raise PayloadTooLarge(
                    f"{name}: it unpacks to {size} bytes, and {max_bytes} are allowed; split the corpus"
                )
            # the sizes a header claims bound what is read, so a false one cannot fill the memory
            documents = []
            for each in members:
                with archive.open(each) as member:
                    documents.append(_decoded(member.read(each.file_size), f"{name}, {each.filename}"))
            return documents
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise InvalidData(f"{name}: this zip cannot be read ({error}); pack the text files again") from None


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
