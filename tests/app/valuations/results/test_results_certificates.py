"""Certificates: the same job has the same one, the signature covers every figure, and no name or row is in it."""

import base64
import copy
import json
from typing import Any

import pytest
from pydantic import SecretStr

from app.settings import Settings
from app.valuations.results.certificates import content, earlier_keys, is_genuine, public_key, sign
from tests.app.valuations.results.samples import payouts, player, values

SETTINGS = Settings()
KEY = public_key(SETTINGS)


def certified(**changes: Any) -> dict[str, Any]:
    return content(values(**changes), payouts(), {"metric": "accuracy"}, "2026-11-23T12:01:00Z")


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where each single figure or word of a JSON value lies."""
    if isinstance(value, dict | list):
        inner = value.items() if isinstance(value, dict) else enumerate(value)
        return [leaf for key, each in inner for leaf in leaves(each, (*path, key))]
    return [path]


def test_the_same_job_has_the_same_certificate_to_the_byte() -> None:
    assert sign(SETTINGS, certified()) == sign(SETTINGS, certified())


def test_whatever_figure_is_changed_the_signature_breaks() -> None:
    signed = sign(SETTINGS, certified())
    assert is_genuine(signed, KEY)
    assert is_genuine(json.loads(json.dumps(signed)), KEY), "as it is read from a file"
    for *path, last in leaves(signed["certificate"]):
        altered = copy.deepcopy(signed)
        place = altered["certificate"]
        for key in path:
            place = place[key]
        place[last] = "something else"
        assert not is_genuine(altered, KEY), (*path, last)


def test_members_added_and_taken_away_break_it_too() -> None:
    signed = sign(SETTINGS, certified())
    assert not is_genuine(signed | {"certificate": signed["certificate"] | {"more": 1}}, KEY)
    less = {name: value for name, value in signed["certificate"].items() if name != "audit"}
    assert not is_genuine(signed | {"certificate": less}, KEY)


def test_what_a_file_says_of_its_own_key_is_not_believed() -> None:
    stranger = Settings(signing_secret=SecretStr("a stranger's"))
    forged = sign(stranger, certified())
    assert is_genuine(forged, public_key(stranger))
    assert not is_genuine(forged | {"public_key": KEY}, KEY)


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"signature": "!"},
        {"signature": "", "certificate": {}},
        {"signature": 7, "certificate": {}},
        {"signature": "AA=="},
    ],
)
def test_what_is_no_certificate_is_not_genuine(broken: dict[str, Any]) -> None:
    assert not is_genuine(broken, KEY)
    assert not is_genuine(sign(SETTINGS, certified()), "no key")


def test_no_display_name_is_certified_and_every_amount_is() -> None:
    named = certified(players=[player(provider="Ada's Archive")])
    assert "Ada" not in json.dumps(named)
    [one] = named["players"]
    assert (one["amount"], one["released"], one["held"], one["accrued"]) == ("1310.00", "1240.00", "70.00", "0.00")
    assert named["money"]["pool"] == "10000.00"
    assert named["digests"]["plan"] == payouts().plan_digest


def test_a_certificate_from_before_there_were_checks_stays_what_it_was() -> None:
    assert "checked" not in certified(checked=None)
    assert certified(checked={"worths": 3, "by_another_worker": 2})["checked"] == {"worths": 3, "by_another_worker": 2}


def test_a_certificate_holds_what_was_asked_and_reached_and_one_from_before_forecasts_stays_what_it_was() -> None:
    plain = {"asked": 2.0, "reached": 3.1, "met": False, "forecast": None}
    assert certified(precision=plain)["precision"] == plain
    assert certified()["precision"]["forecasts"][0]["budget"] == "max_retrains"
    assert certified(precision=None)["precision"] is None


def test_the_key_is_the_configured_one_or_follows_from_the_secret() -> None:
    seed = base64.b64encode(bytes(range(32))).decode()
    chosen = Settings(certificate_key=SecretStr(seed))
    assert public_key(chosen) == public_key(Settings(certificate_key=SecretStr(seed), signing_secret=SecretStr("x")))
    assert public_key(chosen) != KEY
    assert public_key(Settings(signing_secret=SecretStr("x"))) != KEY
    assert len(base64.b64decode(KEY)) == 32


def test_a_certificate_outlasts_the_rotation_of_each_secret() -> None:
    first, second = (base64.b64encode(bytes([byte]) * 32).decode() for byte in (1, 2))
    derived = Settings(signing_secret=SecretStr("before"))
    own = Settings(signing_secret=SecretStr("before"), certificate_key=SecretStr(first))
    rotated = Settings(
        signing_secret=SecretStr("after"),
        key_pepper=SecretStr("after"),
        certificate_key=SecretStr(second),
        earlier_certificate_keys=(public_key(own), public_key(derived)),
    )
    # a key of its own: what the derived one signed is still checked with what the deployment names
    assert is_genuine(sign(derived, certified()), earlier_keys(own)[0])
    assert not is_genuine(sign(derived, certified()), public_key(own))
    # every secret another: so is what both keys before signed
    for before in (derived, own):
        signed = sign(before, certified())
        assert any(is_genuine(signed, key) for key in earlier_keys(rotated))
        assert signed["public_key"] in earlier_keys(rotated)
    assert is_genuine(sign(rotated, certified()), public_key(rotated))
    assert earlier_keys(derived) == []


def test_another_signing_secret_changes_no_certificate_where_their_key_is_their_own() -> None:
    seed = SecretStr(base64.b64encode(bytes(32)).decode())
    one, other = (Settings(signing_secret=SecretStr(name), certificate_key=seed) for name in ("one", "other"))
    assert sign(one, certified()) == sign(other, certified())
