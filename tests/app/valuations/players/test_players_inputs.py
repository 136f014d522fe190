"""A worker reads from blobs, to the byte, the rows that admission read: tables, blocks of tokens, texts."""

import numpy as np
import pytest

from app.datasets.readers import Limits
from app.datasets.rows.encoding import encode, fit_encoding
from app.errors import InvalidData, NotFound
from app.settings import Settings
from app.storage.blobs import BlobStore
from app.valuations.players.files import drop_mask, join_rows, used_rows
from app.valuations.players.inputs import load_blocks, load_rows, load_table, opened_items
from contract.orders.game import FrozenModelRows, TokenBlocks
from contract.rows.files import InputFile

SETTINGS = Settings(max_rows=1000)


@pytest.fixture
def blobs() -> BlobStore:
    return BlobStore.from_url("memory://")


def stored(blobs: BlobStore, content: bytes, kind: str, target: str, drop: str = "") -> InputFile:
    digest = blobs.put_bytes(content).digest
    return InputFile(name="dataset a", digest=digest, format=kind, target=target, drop=drop)


def test_a_players_rows_are_those_of_all_its_files_without_the_dropped_ones_in_canonical_order(
    blobs: BlobStore,
) -> None:
    keep = np.array([True, False, True])
    first = stored(blobs, b"size,label\n1,x\n2,y\n3,x\n", "csv", "label", drop_mask(keep))
    second = stored(blobs, b"size,kind\n4,y\n", "csv", "kind")
    tables = [load_table(blobs, file, "label", Limits()) for file in (first, second)]
    encoding = fit_encoding(tables[0], tables, "label")
    rows = load_rows(blobs, [first, second], encoding, SETTINGS)
    expected = join_rows([used_rows(encode(tables[0], encoding), first.drop), encode(tables[1], encoding)])
    assert rows.X.tobytes() == expected.X.tobytes()
    assert sorted(rows.y.tolist()) == [0, 0, 1]
    assert load_rows(blobs, [second, first], encoding, SETTINGS).digest == rows.digest


def test_limits_of_the_deployment_hold_here_too(blobs: BlobStore) -> None:
    file = stored(blobs, b"size,label\n" + b"1,x\n" * 1001, "csv", "label")
    with pytest.raises(InvalidData, match="1001 rows, and 1000 are allowed"):
        load_table(blobs, file, "label", Limits(max_rows=1000))


def test_bytes_that_are_gone_are_missed_by_name(blobs: BlobStore) -> None:
    file = InputFile(name="dataset a", digest="0" * 64, format="csv", target="label")
    with pytest.raises(NotFound):
        load_table(blobs, file, "label", Limits())


def test_blocks_of_texts_are_numbered_by_their_domain_in_file_order(blobs: BlobStore) -> None:
    encoding = TokenBlocks(context=8, vocabulary=256, domain_column="topic", domains=("sea", "sums"))
    lines = b'{"text": "two and two", "topic": "sums"}\n{"text": "tide", "topic": "sea"}\n'
    test = stored(blobs, lines, "jsonl", "topic")
    rows = load_blocks(blobs, [test], encoding, None, SETTINGS)
    assert rows.X.shape == (3, 9)
    assert rows.y.tolist() == [1, 1, 0]
    assert bytes(rows.X[2, :4].astype(np.uint8)) == b"tide"
    corpus = stored(blobs, lines, "jsonl", "")
    assert load_blocks(blobs, [corpus], encoding, None, SETTINGS).y.tolist() == [0, 0, 0], "a provider's have none"


def test_texts_for_a_frozen_model_come_with_their_labels(blobs: BlobStore) -> None:
    file = stored(blobs, b'{"text": "a tide", "label": "x"}\n{"text": "a sum", "label": "y"}\n', "jsonl", "label")
    encoding = FrozenModelRows(kind="features", of="text", target="label", classes=("x", "y"), context=8)
    with opened_items(blobs, file, encoding, SETTINGS) as items:
        assert items.labels == ["x", "y"]
        assert list(items.values) == ["a tide", "a sum"]
