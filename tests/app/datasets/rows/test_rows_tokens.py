"""A tokenizer is read offline and answers the same of a text whatever its file asks for besides."""

from pathlib import Path
from typing import Any

import pytest

from app.datasets.rows import tokens
from app.datasets.rows.tokens import load_tokenizer
from app.errors import InvalidData

tokenizers = pytest.importorskip("tokenizers")
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "sea", "rose"]


@pytest.fixture
def made() -> Any:
    words = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({word: at for at, word in enumerate(WORDS)}, unk_token="[UNK]")
    )
    words.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    words.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return words


def test_a_piece_has_no_marks_and_a_whole_text_has_those_of_its_tokenizer(made: Any, tmp_path: Path) -> None:
    made.save(str(tmp_path / "tokenizer.json"))
    read = load_tokenizer(tmp_path / "tokenizer.json", "it")
    assert list(read.encode("the sea fell")) == [4, 5, 1]
    assert list(read.marked("the sea fell")) == [2, 4, 5, 1, 3]
    assert read.size == len(WORDS)


def test_a_file_cannot_ask_for_padding_or_truncation(made: Any, tmp_path: Path) -> None:
    made.enable_padding(length=9)
    made.enable_truncation(2)
    made.save(str(tmp_path / "tokenizer.json"))
    read = load_tokenizer(tmp_path / "tokenizer.json", "it")
    assert list(read.encode("the sea rose")) == [4, 5, 6]
    assert list(read.marked("the")) == [2, 4, 3]


@pytest.mark.parametrize("content", ["", "{}", "[1, 2]", '{"model": {"type": "unheard"}}'])
def test_what_is_no_tokenizer_is_refused_by_name(tmp_path: Path, content: str) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text(content)
    with pytest.raises(InvalidData, match=r"it: this is not a tokenizer \(.*\); save it again"):
        load_tokenizer(path, "it")


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    with path.open("wb") as file:
        file.truncate(tokens.MAX_TOKENIZER + 1)
    with pytest.raises(InvalidData, match=f"it has {tokens.MAX_TOKENIZER + 1} bytes, and {tokens.MAX_TOKENIZER} are"):
        load_tokenizer(path, "it")
