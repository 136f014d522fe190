"""What a job's files come to: one encoding, whose rows are whose, who sits where, how labels are mixed. Pure.

It is what the sandbox does for an order (see ``app.sandbox.process``), so that no process that answers calls
parses, encodes or compares a stranger's rows; the question and the answer are plain JSON, and the answer holds no row.
Of texts and images for a frozen model only fingerprints are made here: they are told apart, counted and named.
"""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from app.datasets.readers import Limits
from app.datasets.rows.corpora import fingerprints, read_blocks
from app.datasets.rows.encoding import EncodedRows, encode, fit_classes, fit_encoding
from app.datasets.rows.items import number_labels, read_stand_ins
from app.datasets.rows.rules import class_order
from app.datasets.rows.tokens import load_tokenizer
from app.valuations.orders.test_commitment import mix
from app.valuations.players.files import InputFile, table_of
from app.valuations.players.grouping import Member, Seating, seat


@dataclass(frozen=True)
class _Read:
    """The labels' names (classes, or a language model's domains), a table's encoding, and the rows of each file."""

    labels: tuple[str, ...]
    encoding: dict[str, Any] | None
    shape: tuple[int, ...] | None
    test: EncodedRows
    rows: Mapping[str, EncodedRows]


@dataclass(frozen=True)
class _Asked:
    """The question's files: the test set, each dataset's by its id, and where each one's bytes are."""

    kind: str
    test: InputFile
    files: Mapping[str, InputFile]
    paths: Mapping[str, str]
    limits: Limits
    more: Mapping[str, Any]

    def path(self, file: InputFile) -> Path:
        return Path(self.paths[file.digest])


def answer(question: dict[str, Any]) -> dict[str, Any]:
    """Read a job's files and seat those who offer them; raises InvalidData where they do not fit together."""
    asked = _Asked(
        kind=question["kind"],
        test=InputFile(**question["test"]),
        files={key: InputFile(**file) for key, file in question["files"].items()},
        paths=question["paths"],
        limits=Limits(**question["limits"]),
        more=question,
    )
    read = _READERS[asked.kind](asked)
    members = [_member(told, asked, read) for told in question["members"]]
    uploaded = {uuid.UUID(key): datetime.fromisoformat(moment) for key, moment in question["uploaded"].items()}
    seating = seat(members, question["copies"], read.test, uploaded)
    # blocks of text are labelled by domains, which are no classes
    classes = read.labels if asked.kind != "blocks" else ()
    held = [rows for each in members for rows in each.encoded]
    return {
        "labels": list(read.labels),
        "encoding": read.encoding,
        "shape": read.shape,
        "test": {"rows": len(read.test.y), "digest": read.test.digest},
        "seats": [asdict(each) for each in seating.seats],
        "members": [_told(each, at, seating) for at, each in enumerate(members)],
        "order": _order(members, seating),
        "notes": list(seating.notes),
        "mix": asdict(mix(classes, read.test, held, len(members))),
    }


def _member(told: Mapping[str, Any], asked: _Asked, read: _Read) -> Member:
    return Member(
        name=told["name"],
        shown=told["shown"],
        datasets=tuple(uuid.UUID(each) for each in told["datasets"]),
        files=tuple(asked.files[each] for each in told["datasets"]),
        encoded=tuple(read.rows[each] for each in told["datasets"]),
    )


def _told(member: Member, at: int, seating: Seating) -> dict[str, Any]:
    part = seating.parts[at].as_integer_ratio()
    return {"digest": member.digest, "rows": member.count, "seat": seating.seat_of[at], "part": list(part)}


def _order(members: Sequence[Member], seating: Seating) -> list[int]:
    """The members in the order of their seats."""
    return sorted(range(len(members)), key=lambda at: (seating.order_of(at), members[at].digest, members[at].name))


def _read_tables(asked: _Asked) -> _Read:
    """Files with columns, or images, which may be resized to a square: one encoding for all, fixed by the test set."""
    side = asked.more["image_size"]
    square = None if side is None else (side, side)
    target = asked.test.target

    def table(file: InputFile) -> Any:
        return table_of(asked.path(file), file, target, asked.limits, square)

    test, tables = table(asked.test), {key: table(file) for key, file in asked.files.items()}
    encoding = fit_encoding(test, list(tables.values()), target)
    rows = {key: encode(each, encoding) for key, each in tables.items()}
    return _Read(encoding.classes, encoding.to_json(), encoding.shape, encode(test, encoding), rows)


def _read_blocks(asked: _Asked) -> _Read:
    """Corpora as blocks for a language model; the test set's target, if any, names its domains."""
    tokenizer = asked.more["tokenizer"]
    tokens = None if tokenizer is None else load_tokenizer(Path(tokenizer), asked.more["name"]).encode
    context = int(asked.more["context"])

    def blocks(file: InputFile) -> tuple[Any, tuple[str, ...]]:
        told = (file.format, file.target or None, context, tokens, asked.limits, file.name)
        found = read_blocks(asked.path(file), *told)
        return fingerprints(found.tokens), found.domains

    prints, names = blocks(asked.test)
    domains = tuple(sorted(set(names)))
    number = {name: at for at, name in enumerate(domains)}
    test = EncodedRows(prints, np.array([number[name] for name in names], dtype=np.int64))
    rows = {}
    for key, file in asked.files.items():
        prints, _ = blocks(file)
        rows[key] = EncodedRows(prints, np.zeros(len(prints), dtype=np.int64))
    return _Read(domains, None, None, test, rows)


def _read_items(asked: _Asked) -> _Read:
    """Texts or images for a frozen model, with their labels."""

    def items(file: InputFile) -> tuple[Any, list[str]]:
        return read_stand_ins(asked.path(file), file.format, asked.kind, file.target, asked.limits, file.name)

    found = {key: items(file) for key, file in asked.files.items()}
    prints, wanted = items(asked.test)
    offered = {label for _, labels in found.values() for label in labels}
    classes = fit_classes(asked.test.target, asked.test.name, sorted(set(wanted), key=class_order), offered)
    rows = {
        key: EncodedRows(stand_ins, number_labels(labels, classes, asked.files[key].name))
        for key, (stand_ins, labels) in found.items()
    }
    return _Read(classes, None, None, EncodedRows(prints, number_labels(wanted, classes, asked.test.name)), rows)


_READERS: dict[str, Callable[[_Asked], _Read]] = {
    "table": _read_tables,
    "blocks": _read_blocks,
    "text": _read_items,
    "image": _read_items,
}
