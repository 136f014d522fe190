"""Prose columns: hashed words, the same numbers for the same text, learnable by a plain classifier."""

import numpy as np
import pyarrow as pa
import pytest

from app.datasets.readers import read_table
from app.datasets.rows.encoding import Encoding, encode, fit_encoding
from app.datasets.rows.prose import WIDTH, hashed, is_prose

SPORT = ["the striker scored a late goal again", "our team won the match last night", "a red card for the goal keeper"]
MONEY = [
    "shares of the bank fell on Monday",
    "the central bank raised its interest rate",
    "profit of the firm rose again",
]


def table(texts: list[str], labels: list[str], name: str = "t") -> pa.Table:
    rows = "".join(f'"{text}",{label}\n' for text, label in zip(texts, labels, strict=True))
    return read_table(f"text,label\n{rows}".encode(), "csv", name=name)


def market() -> tuple[pa.Table, pa.Table]:
    return table(SPORT + MONEY, ["s"] * 3 + ["m"] * 3, "player"), table([SPORT[1], MONEY[1]], ["s", "m"], "test")


def test_a_column_of_sentences_is_prose_and_a_column_of_names_is_not() -> None:
    assert is_prose(SPORT)
    assert not is_prose(["Some college", "Bachelors", "never married", "United States of America"])
    assert not is_prose([])


def test_a_text_is_the_same_unit_row_whatever_else_is_in_the_job() -> None:
    player, test = market()
    encoding = fit_encoding(test, [player], "label")
    assert encoding.features[0].kind == "prose"
    assert encoding.shape == (WIDTH,)
    both, alone = encode(player, encoding).X, encode(test, encoding).X
    assert np.array_equal(both[1], alone[0])
    assert np.array_equal(both[0], hashed(SPORT[0]))
    assert np.linalg.norm(both, axis=1) == pytest.approx(1.0, abs=1e-6)


def test_case_punctuation_and_unknown_words_do_not_break_and_order_of_words_matters() -> None:
    assert np.array_equal(hashed("Red, CARD! naïve"), hashed("red card naïve"))
    assert not np.array_equal(hashed("red card"), hashed("card red"))
    assert not hashed("— … !").any()


def test_the_encoding_survives_json_and_names_its_width() -> None:
    player, test = market()
    encoding = fit_encoding(test, [player], "label")
    again = Encoding.from_json(encoding.to_json())
    assert again == encoding
    assert again.digest == encoding.digest
    assert encoding.to_json()["features"][0] == {"name": "text", "kind": "prose", "width": WIDTH}


def test_a_very_long_text_costs_a_bounded_number_of_words() -> None:
    assert np.array_equal(hashed("word and " * 2_000_000), hashed("word and " * 20_000))
