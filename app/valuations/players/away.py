"""Payees whose rows stay with them, beside those whose rows are here. Pure.

Each is a player of its own: rows that nobody sees are compared with nobody's, and the order's rule for copies cannot be
applied to them (that statistics are the same to the last number is noticed when they come). What names such a player is
what its agent registered, the commitment to its rows in it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from contract.document import digest_of
from contract.orders.fit import Offer, PayeeFitted, PlayerFitted
from contract.rows.files import InputFile


@dataclass(frozen=True)
class OrderedPlayers:
    """All players in canonical order, the payees in the order of the question, and these by their players."""

    players: tuple[PlayerFitted, ...]
    members: tuple[PayeeFitted, ...]
    order: tuple[int, ...]


def away_player(offer: Offer, file: InputFile, rows: int) -> PlayerFitted:
    """The player that a dataset is whose agent registered so many rows."""
    digest = digest_of({"agent": file.digest, "dataset": file.name})
    return PlayerFitted(name=offer.name, files=(file,), digest=digest, rows=rows)


def order_players(
    here: Sequence[PlayerFitted],
    offers: Sequence[Offer],
    members: Mapping[str, PayeeFitted],
    away: Mapping[str, PlayerFitted],
) -> OrderedPlayers:
    """Players whose rows are here and those ``away`` (by their offer's name), in one order; ``members`` are the payees
    whose rows are here, seated among ``here``."""
    players = sorted([*here, *away.values()], key=lambda player: (player.digest, player.name))
    place = {(player.digest, player.name): at for at, player in enumerate(players)}
    payees = []
    for offer in offers:
        if (own := away.get(offer.name)) is not None:
            payee = PayeeFitted(
                digest=own.digest,
                rows=own.rows,
                seat=place[own.digest, own.name],
                part=(1, 1),
                in_test=0,
                in_others=0,
                raw=own.digest,
            )
        else:
            payee = members[offer.name]
            if payee.seat is not None:
                player = here[payee.seat]
                payee = payee.model_copy(update={"seat": place[player.digest, player.name]})
        payees.append(payee)

    def key(at: int) -> tuple[int, str, str]:
        player = payees[at].seat
        return (len(players) if player is None else player, payees[at].digest, offers[at].name)

    return OrderedPlayers(tuple(players), tuple(payees), tuple(sorted(range(len(payees)), key=key)))
