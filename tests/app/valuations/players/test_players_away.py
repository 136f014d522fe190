"""Payees whose rows stay with them are seated among the others by content, each by itself."""

from app.valuations.players.away import away_player, order_players
from contract.orders.fit import Offer, PayeeFitted, PlayerFitted
from contract.rows.files import InputFile

FILE = InputFile(name="dataset ds_1", digest="ab" * 32, format="agent", target="y")
OFFERS = [Offer(name=name, shown=name, datasets=(name,)) for name in ("up", "home", "unused")]


def payee(digest: str, seat: int | None) -> PayeeFitted:
    part = (0, 1) if seat is None else (1, 2)
    return PayeeFitted(digest=digest, rows=5, seat=seat, part=part, in_test=1, in_others=2, raw=digest)


def test_players_are_in_the_order_of_their_digests_and_payees_find_theirs() -> None:
    here = [PlayerFitted(name="up", files=(), digest=each * 64, rows=5) for each in ("0", "f")]
    home = away_player(OFFERS[1], FILE, 40)
    members = {"up": payee("f" * 64, 1), "unused": payee("1" * 64, None)}
    seated = order_players(here, OFFERS, members, {"home": home})
    digests = [player.digest for player in seated.players]
    assert digests == sorted(digests)
    assert seated.players[seated.members[1].seat or 0] == home
    assert seated.players[seated.members[0].seat or 0] == here[1]
    assert (seated.members[0].part, seated.members[1].part) == ((1, 2), (1, 1))
    assert seated.members[2].seat is None
    assert seated.order[-1] == 2


def test_what_was_registered_names_the_player() -> None:
    same = away_player(OFFERS[1], FILE, 40)
    assert same.digest == away_player(OFFERS[1], FILE, 40).digest
    assert same.digest != away_player(OFFERS[1], FILE.model_copy(update={"digest": "cd" * 32}), 40).digest
