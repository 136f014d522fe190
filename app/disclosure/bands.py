"""How much of somebody's rows is somewhere else, told so coarsely that no single row can be read off it. Pure.

A count answers a question about one row: ask with the row and without. So nobody is told a count before money has been
paid, but a band: none, some or much. Of fewer than ``told_rows`` rows nothing is told. The two edges between the bands
are drawn anew for each pair of contents, from wide ranges, by a keyed hash: one row moves the chance of a band by
1 / (0.3 n) at most for n rows, the same question always gets the same answer, and another question gets other edges,
which nobody without the key can know. What is left to learn by asking often is bounded by the budget (``service``) and
measured in docs/disclosure.md.
"""

import enum
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from app.settings import Settings

LOWER_EDGE = (0.1, 0.4)
UPPER_EDGE = (0.6, 0.9)


class Band(enum.Enum):
    """How much; ``UNTOLD`` where there are too few rows."""

    NONE = "none"
    SOME = "some"
    MUCH = "much"
    UNTOLD = "unknown"


@dataclass(frozen=True)
class Bands:
    """The key by which edges are drawn, and of how few rows nothing is told."""

    key: bytes
    told_rows: int

    @classmethod
    def of(cls, settings: Settings) -> "Bands":
        """Those of a deployment; the key is derived from its signing secret."""
        secret = settings.signing_secret.get_secret_value().encode()
        return cls(hmac.digest(secret, b"edges of bands", "sha256"), settings.told_rows)

    def drawn(self, about: Sequence[str]) -> bytes:
        """Bytes that are the same for the same ``about``, and that nobody without the key can know."""
        return hmac.digest(self.key, hashlib.sha256("\0".join(about).encode()).digest(), "sha256")

    def band(self, count: int, of: int, about: Sequence[str]) -> Band:
        """The band of ``count`` of ``of`` rows; ``about`` names the asker and the two contents that are compared."""
        if of < self.told_rows:
            return Band.UNTOLD
        drawn = self.drawn(about)
        lower, upper = (
            low + (high - low) * int.from_bytes(drawn[at : at + 8], "big") / 2**64
            for at, (low, high) in ((0, LOWER_EDGE), (8, UPPER_EDGE))
        )
        part = count / of
        if part < lower:
            return Band.NONE
        return Band.SOME if part < upper else Band.MUCH
