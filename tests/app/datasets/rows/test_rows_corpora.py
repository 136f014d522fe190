"""Corpora: what a document is, where blocks begin and end, and what is refused by name."""

import itertools
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from app.cli.valuing.text import Corpora
from app.datasets.readers import Limits
from app.datasets.rows.corpora import pack, read_blocks, read_corpus
from app.errors import InvalidData
from contract.rows.token_blocks import NO_TOKEN, tokens_of


def test_every_token_but_a_documents_first_is_predicted_once_and_none_from_another_document() -> None:
    documents = [np.arange(1, 20), np.arange(100, 109), np.array([7]), np.array([200, 201])]
    blocks = pack(documents, 8)
    predicted = [(int(a), int(b)) for row in blocks for a, b in itertools.pairwise(row) if b != NO_TOKEN]
    wanted = [(int(a), int(b)) for each in documents for a, b in itertools.pairwise(each)]
    assert predicted == wanted
    assert blocks.shape == (3 + 1 + 1, 9)


def test_a_document_that_just_fills_its_blocks_has_no_empty_one() -> None:
    assert len(pack([np.arange(17)], 8)) == 2


def test_bytes_are_tokens_where_there_is_no_tokenizer() -> None:
    assert tokens_of("né").tolist() == [110, 195, 169]


def test_a_file_of_too_many_tokens_is_refused_before_the_rest_is_read(tmp_path: Path) -> None:
    path, seen = tmp_path / "it.jsonl", []
    path.write_text("".join(json.dumps({"text": f"word {at} " * 10}) + "\n" for at in range(50)))

    def encode(piece: str) -> list[int]:
        seen.append(piece)
        # a tokenizer that makes many of little
        return [ord(c) for c in piece * 10]

    with pytest.raises(InvalidData, match="more than the 2000 tokens"):
        read_blocks(path, "jsonl", None, 8, encode, Limits(max_tokens=2000), "it")
    assert len(seen) < 5


def test_a_tokenizer_sees_one_line_of_any_length_in_bounded_pieces() -> None:
    seen: list[int] = []

    def encode(piece: str) -> list[int]:
        seen.append(len(piece))
        return [ord(c) for c in piece]

    text = "word " * 30_000 + "x" * 200_000
    assert tokens_of(text, encode).tolist() == [ord(c) for c in text]
    assert max(seen) <= 1 << 16


def test_a_line_of_two_hundred_megabytes_is_read_and_packed(tmp_path: Path) -> None:
    (tmp_path / "long.txt").write_bytes(b"a" * 200_000_000)
    (document,) = read_corpus(tmp_path / "long.txt")
    assert len(document) == 200_000_000


def test_jsonl_zip_and_folders_are_documents_in_a_fixed_order(tmp_path: Path) -> None:
    (tmp_path / "b.jsonl").write_text("\n".join(json.dumps({"text": text}) for text in ("one", "", "two")))
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as archive:
        archive.writestr("z.txt", "four")
        archive.writestr("a.txt", "three")
    (tmp_path / "a.txt").write_text("zero")
    assert read_corpus(tmp_path) == ["zero", "one", "two", "three", "four"]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("empty.txt", b"", "the file is empty"),
        ("latin.txt", b"caf\xe9", r"byte 4 \(0xe9\) is not UTF-8"),
        ("model.pt", b"\x80\x04", "Python pickle"),
        ("bad.jsonl", b'{"text": "a"}\n{"text"', "line 2"),
        ("other.jsonl", b'{"body": "a"}', "no column `text` of texts, only `body`"),
        ("deep.jsonl", b"[" * 100_000, "line 1"),
        ("none.jsonl", b'{"text": ""}', "there is no text in it"),
        ("torn.zip", b"PK\x03\x04torn", "this zip archive cannot be read"),
    ],
)
def test_what_is_no_text_is_refused_by_name(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidData, match=words) as refused:
        read_corpus(tmp_path / name)
    assert refused.value.detail.startswith(name)


def test_a_missing_file_an_empty_folder_and_one_token_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="there is no file or folder"):
        read_corpus(tmp_path / "absent.txt")
    with pytest.raises(InvalidData, match=r"has no .txt, "):
        read_corpus(tmp_path)
    with pytest.raises(InvalidData, match="no document has two tokens"):
        pack([np.array([1])], 8)


def test_a_document_s_number_is_its_place_in_the_file_for_the_service_and_the_command_line(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    texts = ["", "a longer one", "x", "y z and more than a block", "two"]
    rows = [{"text": text, "kind": None if at == 1 else "k"} for at, text in enumerate(texts)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    served = read_blocks(path, "jsonl", None, 8, None, Limits(), "a.jsonl")
    parts, numbers = Corpora(8).documents(path, "a.jsonl")
    assert np.repeat(numbers, [len(part) for part in parts]).tolist() == [number + 1 for number in served.documents]
    assert sorted(set(served.documents)) == [1, 3, 4], "empty and short ones are counted and have no block"
    labelled = read_blocks(path, "jsonl", "kind", 8, None, Limits(), "a.jsonl")
    assert sorted(set(labelled.documents)) == [3, 4], "so are those without a domain"
