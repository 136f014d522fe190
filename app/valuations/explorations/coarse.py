"""Numbers told so coarsely that one row of somebody's hardly changes them. Pure.

An exploration pays nobody, so it tells less than a job: multiples of a step. Which way a number between two steps goes
is drawn by a keyed hash over the asker, the game and the number's place: the same question has the same answer, and
nobody without the key knows where it tips. What is left to learn is bounded by the budget of questions.
"""

import hashlib
import hmac
import math
from collections.abc import Sequence
from dataclasses import dataclass

from app.settings import Settings

SHARE_STEP = 0.05  # of shares and of what is added
PART_STEP = 0.02  # of what sets of datasets reach


@dataclass(frozen=True)
class Coarse:
    """The key, and what the question is about: asker and game."""

    key: bytes
    about: tuple[str, ...]

    @classmethod
    def of(cls, settings: Settings, about: Sequence[str]) -> "Coarse":
        """Those of a deployment; the key is derived from its signing secret."""
        secret = settings.signing_secret.get_secret_value().encode()
        return cls(hmac.digest(secret, b"steps of explorations", "sha256"), tuple(about))

    def to(self, number: float, step: float, *place: str) -> float:
        """A multiple of ``step`` less than one step away; of numbers in between the nearer one is the likelier."""
        drawn = hmac.digest(self.key, hashlib.sha256("\0".join((*self.about, *place)).encode()).digest(), "sha256")
        tips = int.from_bytes(drawn[:8], "big") / 2**64
        return round(step * math.floor(number / step + tips), 6)

    @staticmethod
    def around(interval: tuple[float, float], step: float) -> tuple[float, float]:
        """The interval, widened to multiples of ``step``."""
        low, high = interval
        return round(step * math.floor(low / step), 6), round(step * math.ceil(high / step), 6)
