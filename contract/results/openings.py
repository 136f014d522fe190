"""What was found when rows of data that stays with its owner were opened, as it is kept with a result."""

from dataclasses import dataclass
from enum import StrEnum


class OpenedStatus(StrEnum):
    """borne_out: what was opened bears out the sums that were sent; nothing: there was no answer to look at."""

    BORNE_OUT = "borne_out"
    MISMATCH = "mismatch"
    REFUSED = "refused"
    AWAY = "away"
    NOTHING = "nothing"


_VOID = {
    OpenedStatus.MISMATCH: "the rows that it opened do not bear out the sums that it sent",
    OpenedStatus.REFUSED: "it did not open the rows that were drawn",
    OpenedStatus.AWAY: "it did not come to open the rows that were drawn",
}


@dataclass(frozen=True)
class OpenedRows:
    """Of one player of the game, by position: how many of its rows were opened, and what was found. ``detail`` says
    what differs, or why nothing was opened."""

    player: int
    rows: int
    status: OpenedStatus
    detail: str

    @property
    def voids(self) -> str | None:
        """Why its owner is paid nothing; None where it is paid as it was valued."""
        return _VOID.get(self.status)

    @property
    def sentence(self) -> str:
        """What was found, for people."""
        if self.status is OpenedStatus.BORNE_OUT:
            return f"{self.rows} of its rows were opened, and bear out the sums that it sent."
        why = self.voids or "no rows were opened"
        return f"{why[0].upper()}{why[1:]}: {self.detail}."
