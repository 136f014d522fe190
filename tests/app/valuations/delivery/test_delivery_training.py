"""Whose data a released model is trained on, and what its card and its package say: pure."""

import io
import json
import zipfile

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st

from app.valuations.delivery.card import CardFacts, CardPayee, card, interval
from app.valuations.delivery.package import digest_of_package, digests_of, files_of, packed
from app.valuations.delivery.training import training_of
from app.valuations.delivery.usage import usage
from contract.learning.learners import LEARNERS
from contract.orders.grants import Grant
from contract.orders.job import PayeePart
from contract.results.delivery import LeftOut, ModelConfig, Preprocessing, ReleasedModel, Training
from contract.tasks import Reads

GRANTS = [(Grant.VALUE,), (Grant.VALUE, Grant.MODEL)]
CONFIG = ModelConfig(learner="logistic", hyper={}, shape=(2,), classes=2, weights="model.safetensors")
TABLE = {
    "target": "y", "classes": ["no", "yes"], "scale": "standard",
    "features": [{"name": "age", "kind": "number", "center": 40.0, "spread": 10.0}],
}  # fmt: skip
PREPROCESSING = Preprocessing(encoding=TABLE, labels=("no", "yes"))


@given(
    st.lists(
        st.tuples(st.integers(0, 3) | st.none(), st.integers(0, 2), st.sampled_from(GRANTS)), min_size=1, max_size=8
    )
)
def test_no_rows_are_in_the_model_who_is_not_paid_or_does_not_grant_it(
    payees: list[tuple[int | None, int, tuple[Grant, ...]]],
) -> None:
    seating = [PayeePart(player, 1, 1) for player, _, _ in payees]
    amounts, grants = [amount for _, amount, _ in payees], [granted for _, _, granted in payees]
    found = training_of(seating, amounts, ["why"] * len(payees), grants, 4)
    for position, (player, amount, granted) in enumerate(payees):
        if player is not None and (amount == 0 or Grant.MODEL not in granted):
            assert not found.kept[player]
        if position in found.trained_on:
            assert player is not None
            assert found.kept[player]
    assert sorted([*found.trained_on, *(each.position for each in found.left_out)]) == list(range(len(payees)))
    assert all(each.reason for each in found.left_out)


def test_one_who_shares_a_player_with_another_who_does_not_grant_it_is_told_why() -> None:
    found = training_of(
        [PayeePart(0, 1, 2), PayeePart(0, 1, 2), PayeePart(1, 1, 1)], [5, 5, 5], [""] * 3, [*GRANTS, GRANTS[1]], 2
    )
    assert (found.kept, found.trained_on) == ((False, True), (2,))
    assert "one player with those of others" in found.left_out[1].reason


def released(**changes: object) -> ReleasedModel:
    plain = {
        "training": Training(kept=(True, False), trained_on=(0,), left_out=(LeftOut(position=1, reason="not paid"),)),
        "config": CONFIG, "preprocessing": PREPROCESSING, "files": {}, "retrained": True, "rows": 60, "score": 0.9,
        "stderr": 0.01, "units": 80,
    }  # fmt: skip
    return ReleasedModel.model_validate(plain | changes)


def test_a_card_shows_names_as_they_are_and_no_name_becomes_markup() -> None:
    payees = (
        CardPayee("Ward | <b>3</b>\n# one", 60, ("CC0-1.0",), "70.00 %", None),
        CardPayee("[x](y)", 9, ("MIT",), "none", "not paid"),
    )
    text = card(released(), CardFacts("val_1", "accuracy", Reads.TABLE, payees, "ab" * 32, "cd" * 32))
    assert "| Ward \\| \\<b\\>3\\</b\\> \\# one | 60 | CC0-1.0 | 70.00 % |" in text
    assert "- \\[x\\]\\(y)" in text or "- \\[x\\](y): not paid" in text
    front = dict(line.split(": ", 1) for line in text.split("---")[1].strip().splitlines())
    assert json.loads(front["license"]) == "cc0-1.0"
    assert json.loads(front["model-index"])[0]["results"][0]["metrics"] == [{"type": "accuracy", "value": 0.9}]
    low, high = interval(released())
    assert f"{low:.4f} to {high:.4f}" in text


def test_a_package_is_the_same_bytes_for_the_same_model_and_leaves_the_buyers_start_out() -> None:
    arrays = {"weight": np.ones((2, 1)), "bias": np.zeros(2), "base.weight": np.zeros((2, 1)), "base.bias": np.ones(2)}
    files = files_of(CONFIG, PREPROCESSING, safetensors.numpy.save(arrays))
    assert set(safetensors.numpy.load(files["model.safetensors"])) == {"weight", "bias"}
    assert packed(files, "card") == packed(dict(reversed(files.items())), "card")
    with zipfile.ZipFile(io.BytesIO(packed(files, "card"))) as archive:
        said = json.loads(archive.read("manifest.json"))
        assert said["files"] == digests_of({name: archive.read(name) for name in files})
    changed = files | {"config.json": b"{}"}
    assert digest_of_package(digests_of(changed)) != digest_of_package(digests_of(files))


@pytest.mark.parametrize("learner", sorted(LEARNERS))
def test_every_learner_has_a_program_or_says_that_it_has_none(learner: str) -> None:
    hyper = {"rank": 4, "alpha": 8.0} if learner in ("lm", "lora") else {}
    said = usage(CONFIG.model_copy(update={"learner": learner, "hyper": hyper, "base": "ab" * 32}), PREPROCESSING)
    assert "```python" in said or "cherish predict" in said
