"""Tokens: their form tells typing errors, their fingerprint tells nothing."""

from hypothesis import given
from hypothesis import strategies as st

from app.accounts import tokens


def test_a_token_has_a_prefix_a_secret_and_a_checksum() -> None:
    token = tokens.new_token()
    head, prefix, secret, checksum = token.split("_")
    assert (head, len(prefix), len(secret), len(checksum)) == ("cherish", 8, 32, 6)
    assert tokens.prefix_of(token) == prefix
    assert len({tokens.new_token() for _ in range(100)}) == 100


@given(position=st.integers(0, 63), letter=st.sampled_from("0aZ_"))
def test_one_wrong_letter_is_noticed_without_looking_anything_up(position: int, letter: str) -> None:
    token = tokens.new_token()
    position %= len(token)
    mistyped = token[:position] + letter + token[position + 1 :]
    assert (tokens.prefix_of(mistyped) is not None) == (mistyped == token)


@given(st.text())
def test_no_other_text_is_a_token(text: str) -> None:
    assert tokens.prefix_of(text) is None


def test_a_fingerprint_needs_the_pepper() -> None:
    token = tokens.new_token()
    assert tokens.same(tokens.fingerprint(token, "a"), tokens.fingerprint(token, "a"))
    assert not tokens.same(tokens.fingerprint(token, "a"), tokens.fingerprint(token, "b"))
    assert token not in tokens.fingerprint(token, "a")
