"""Text corpora: files become documents, documents become blocks of token numbers for a language model. No torch here.

Files are read by ``readers``: a ``.txt`` or ``.md`` is one document, a zip one per text file in it, and in JSON lines,
CSV and Parquet each value of the column ``text`` is one; a folder is all of these beneath it, by name. ``pack`` cuts
each document by itself: blocks of L + 1 tokens that overlap by one, so that every token but a document's first is
predicted exactly once, and no token from another document (``contract.rows.token_blocks``). Nothing is shuffled,
truncated or joined.

A block's ``fingerprint`` stands for it wherever blocks are only told apart: a service that posts a job tokenises in the
sandbox (``answer``) and holds fingerprints, and whoever computes names the same blocks by the same digest.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from app.datasets.readers import Limits, Meaning, read_table
from app.datasets.readers.documents import TEXT_COLUMN
from app.datasets.readers.findings import findings_of
from app.datasets.readers.sources import only_table
from app.datasets.readers.types import is_text
from app.datasets.rows import rules
from app.datasets.rows.encoding import EncodedRows
from app.datasets.rows.groups import column_groups
from app.datasets.rows.noticed import noticed
from app.datasets.rows.tokens import Locate, load_tokenizer
from app.errors import InvalidData
from contract.rows.files import AS_IT_IS, Reading
from contract.rows.findings import Finding
from contract.rows.token_blocks import Encode, Tokens, cut, fingerprint, fingerprints, pieces_of, tokens_of

BYTES = 256
MAX_DOMAINS = 100
SUFFIXES = {
    ".txt": "text", ".md": "text", ".jsonl": "jsonl", ".json": "json", ".zip": "zip", ".csv": "csv",
    ".parquet": "parquet",
}  # fmt: skip


def read_corpus(path: Path, name: str = "", reading: Reading = AS_IT_IS) -> list[str]:
    """The documents of a file or folder that are not empty; raises InvalidData naming file, place and mend.

    ``reading`` is what is declared of the file, or of each in the folder.
    """
    if path.is_dir():
        return [text for file in text_files(path, recursive=True) for text in read_corpus(file, file.name, reading)]
    return read_file(path, name or path.name, reading).texts


@dataclass(frozen=True)
class Documents:
    """The documents of one file, their numbers among all of it from 1, and what was noticed of them."""

    texts: list[str]
    numbers: list[int]
    findings: tuple[Finding, ...]


def read_file(path: Path, name: str, reading: Reading = AS_IT_IS) -> Documents:
    """The documents of a file that are not empty; raises InvalidData."""
    if not path.exists():
        raise InvalidData(f"{name}: there is no file or folder {path}; check the path")
    return read_documents(path, format_of(path), Limits(), name, reading)


def read_documents(
    path: Path,
    format: str | None,  # noqa: A002  as the readers call it
    limits: Limits,
    name: str,
    reading: Reading = AS_IT_IS,
) -> Documents:
    """The documents of a file that are not empty; raises InvalidData."""
    meaning = Meaning(documents=True)
    table = read_table(path, format, limits=limits, name=name, reading=reading, meaning=meaning)
    there = [(number, text) for number, text in enumerate(_texts(table, name), 1) if text]
    if not there:
        raise InvalidData(f"{name}: there is no text in it; send at least one document that is not empty")
    texts, numbers = [text for _, text in there], [number for number, _ in there]
    return Documents(texts, numbers, (*findings_of(table), *noticed(table, None)))


def _texts(table: pa.Table, name: str) -> list[str]:
    if TEXT_COLUMN not in table.column_names or not is_text(table.column(TEXT_COLUMN).type):
        there = ", ".join(f"`{column}`" for column in table.column_names[:8])
        raise InvalidData(f"{name}: no column `{TEXT_COLUMN}` of texts, only {there}; name the documents' column so")
    texts: list[str] = table.column(TEXT_COLUMN).cast(pa.string()).to_pylist()
    return texts


@dataclass(frozen=True)
class Blocks:
    """A file as blocks of tokens float32[n, context + 1], in file order, and each block's domain by name ("" where the
    file has no column of them); ``raw``: a hash of the text that each block was made of, where they were asked for;
    ``findings``: what was noticed of the file, where they were; ``documents``: the number of each block's document
    among all of the file, from 0, or that of its document's group."""

    tokens: NDArray[np.float32]
    domains: tuple[str, ...]
    raw: tuple[bytes, ...] = ()
    findings: tuple[Finding, ...] = ()
    documents: tuple[int, ...] = ()


def read_blocks(
    path: Path,
    format: str,  # noqa: A002  as the readers call it
    domain: str | None,
    context: int,
    encode: Encode | None,
    limits: Limits,
    name: str,
    reading: Reading = AS_IT_IS,
    located: Locate | None = None,
    missing_labels: str = "leave_out",
    group: str = "",
) -> Blocks:
    """The blocks of one uploaded file; ``domain`` names the column of domains, ``group`` that of documents which were
    drawn together. Raises InvalidData.

    ``located``, where it is given, says where tokens begin in a text, and each block is told by its text, too, as is
    what was noticed: a tokenizer is the asker's, and could make one token of all texts.
    """
    meaning = Meaning(target=domain, documents=True)
    table = read_table(path, format, limits=limits, name=name, reading=reading, meaning=meaning)
    copies = () if located is None else noticed(table, domain)
    place = np.arange(table.num_rows)
    if domain is not None:
        rules.check_target_exists(table, domain)
        place = np.flatnonzero(table.column(domain).is_valid().to_numpy())
        table = rules.labelled(table, domain, missing_labels)
    labels = None if domain is None else rules.label_texts(table, domain).cast(pa.string()).to_pylist()
    named = column_groups(table, group) if group else None
    pieces, domains, documents = [], [], []
    raw: list[bytes] = []
    count = 0
    for row, text in enumerate(_texts(table, name)):
        tokens = tokens_of(text or "", encode)
        count += len(tokens)
        limits.check_tokens(count, name)
        if len(tokens) > 1:
            pieces.append(cut(tokens, context))
            if located is not None:
                raw += _raw_texts(text, _places(text, located), context, len(pieces[-1]))
            domains += ["" if labels is None else labels[row]] * len(pieces[-1])
            documents += [int(place[row] if named is None else named[row])] * len(pieces[-1])
    if not pieces:
        raise InvalidData(f"{name}: no document has two tokens, so nothing can be predicted; send longer texts")
    if len(set(domains)) > MAX_DOMAINS:
        raise InvalidData(
            f"{name}: `{domain}` names {len(set(domains))} domains, and {MAX_DOMAINS} are allowed; merge some, or "
            "upload the test set without a target"
        )
    findings = (*findings_of(table), *copies)
    return Blocks(np.concatenate(pieces), tuple(domains), tuple(raw), findings, tuple(documents))


def bytes_located(text: str) -> list[int]:
    """Where each byte's character begins: what ``read_blocks`` asks for where bytes are tokens."""
    lengths = [len(character.encode()) for character in text]
    return [place for place, length in enumerate(lengths) for _ in range(length)]


def _places(text: str, located: Locate) -> list[int]:
    """Where in a document each of its tokens begins, piece by piece as ``tokens_of`` cuts it."""
    places, at = [], 0
    for piece in pieces_of(text):
        places += [at + place for place in located(piece)]
        at += len(piece)
    return places


def _raw_texts(text: str, places: Sequence[int], context: int, count: int) -> list[bytes]:
    """A hash of the text of each block: the document from its first token to the one after its last, with all that no
    token stands for."""
    hashes = []
    for block in range(count):
        begin = 0 if block == 0 else places[block * context]
        after = (block + 1) * context + 1
        end = places[after] if after < len(places) else len(text)
        hashes.append(fingerprint(text[begin:end].encode("utf-8", "surrogatepass")))
    return hashes


def stand_ins(tokens: NDArray[np.float32], labels: NDArray[np.int64]) -> EncodedRows:
    """Blocks as rows that can be compared, counted and named, but not trained on."""
    return EncodedRows(fingerprints(tokens), labels)


def answer_tokenizer(question: dict[str, Any]) -> dict[str, Any]:
    """Try a tokenizer out in the sandbox: {"size"}."""
    return {"size": load_tokenizer(Path(question["path"]), question["name"]).size}


def format_of(path: Path) -> str | None:
    """The format that a text file's name says; None where its bytes do."""
    return None if path.suffix == ".zip" and only_table(path) else SUFFIXES.get(path.suffix)


def text_files(folder: Path, *, recursive: bool = False) -> list[Path]:
    """The files of a folder that can hold texts, by name; raises InvalidData where there is none."""
    paths = sorted(p for p in (folder.rglob("*") if recursive else folder.iterdir()) if p.suffix in SUFFIXES)
    if not paths:
        raise InvalidData(f"{folder}: the folder has no {', '.join(SUFFIXES)} file; put the texts there")
    return paths


def pack(documents: Sequence[Tokens], context: int, name: str = "the corpus") -> NDArray[np.float32]:
    """Blocks float32[n, context + 1], documents in order; raises InvalidData."""
    return np.concatenate(blocks_of(documents, context, name))


def blocks_of(documents: Sequence[Tokens], context: int, name: str = "the corpus") -> list[NDArray[np.float32]]:
    """Blocks float32[n, context + 1] (exact for token numbers below 2^24) of each document that has two tokens, none
    [0, context + 1] of each other; raises InvalidData where none has."""
    none = np.zeros((0, context + 1), dtype=np.float32)
    blocks = [cut(tokens, context) if len(tokens) > 1 else none for tokens in documents]
    if not any(map(len, blocks)):
        raise InvalidData(f"{name}: no document has two tokens, so nothing can be predicted; send longer texts")
    return blocks
