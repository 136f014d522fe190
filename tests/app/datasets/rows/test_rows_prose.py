"""Prose columns: hashed words, the same numbers for the same text, learnable by a plain classifier."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from app.datasets.readers import read_table
from app.datasets.rows.encoding import encode, fit_encoding
from app.datasets.rows.features import Encoding, Feature, PlainFeature
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


def test_a_column_of_texts_that_differ_is_prose_and_one_of_answers_that_come_again_is_not() -> None:
    assert is_prose(Counter(SPORT + MONEY))
    assert is_prose(Counter(["Wars", "Titanic", "Up", "味道很好下次再来", "Up"]))
    answers = ["Some college", "Bachelors", "never married", "United States of America", "not in the labour force"]
    assert not is_prose(Counter(answers * 2))
    assert not is_prose(Counter())


def test_few_distinct_texts_are_told_by_their_words() -> None:
    assert is_prose(Counter(SPORT))
    assert not is_prose(Counter(["Oslo", "Bergen", "Moss"]))


def test_texts_that_share_letters_are_alike_and_those_from_before_are_read_by_words() -> None:
    good, again, bad = hashed("味道很好下次再来"), hashed("味道很好送餐快"), hashed("太慢了不新鲜")
    assert good @ again > 0.1 > abs(float(good @ bad))
    assert hashed("味道很好", runs=False, characters=False) @ hashed("味道很差", runs=False, characters=False) == 0.0
    old = Feature.of(PlainFeature.read({"name": "text", "kind": "prose", "width": WIDTH}))
    assert not old.runs
    assert not old.characters
    assert hashed("the sea rose", characters=False) @ hashed("the sea rose") > 0.999999
    # runs of what is written without spaces would outweigh the few letters beside it
    assert hashed("味道很好 ok") @ hashed("味道很好") > 0.8
    assert old.document() == PlainFeature(name="text", kind="prose", width=WIDTH)


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
    assert encoding.to_json()["features"][0] == {
        "name": "text",
        "kind": "prose",
        "width": WIDTH,
        "runs": [2, 3, 4],
        "characters": True,
    }


def test_a_very_long_text_costs_a_bounded_number_of_words() -> None:
    assert np.array_equal(hashed("word and " * 2_000_000), hashed("word and " * 20_000))
