"""What two plain documents differ in, member by member, so that nothing shown in a result goes uncompared.

Numbers may differ by what other processors round: 1e-9 and a millionth of their size. Counts, names and truth values
may not; a sentence may where the numbers in it do, in their last digit. Paths read as in Python: ``players[2].share``.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

ABSOLUTE, RELATIVE = 1e-9, 1e-6
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?")


@dataclass(frozen=True)
class Difference:
    """One member that is stored as ``stored`` and comes out as ``again``."""

    path: str
    stored: Any
    again: Any

    def __str__(self) -> str:
        return f"{self.path} is {_short(self.stored)} and comes out as {_short(self.again)}"


def differences(stored: Any, again: Any, path: str = "") -> Iterator[Difference]:
    """All members of plain JSON values that differ by more than rounding, in the order of the stored document."""
    if isinstance(stored, Mapping) and isinstance(again, Mapping):
        for name in dict.fromkeys([*stored, *again]):
            if name not in stored or name not in again:
                yield Difference(_join(path, name), stored.get(name), again.get(name))
            else:
                yield from differences(stored[name], again[name], _join(path, name))
    elif isinstance(stored, list | tuple) and isinstance(again, list | tuple):
        if len(stored) != len(again):
            yield Difference(f"the length of {path}", len(stored), len(again))
        for position, (left, right) in enumerate(zip(stored, again, strict=False)):
            yield from differences(left, right, f"{path}[{position}]")
    elif not _alike(stored, again):
        yield Difference(path, stored, again)


def furthest(stored: Any, again: Any) -> float:
    """The largest distance between numbers at the same place of two documents; 0.0 where all are the same."""
    if isinstance(stored, Mapping) and isinstance(again, Mapping):
        return max((furthest(stored[name], again[name]) for name in stored if name in again), default=0.0)
    if isinstance(stored, list | tuple) and isinstance(again, list | tuple):
        return max((furthest(*pair) for pair in zip(stored, again, strict=False)), default=0.0)
    if _is_number(stored) and _is_number(again) and stored != again:
        return abs(float(stored) - float(again))
    return 0.0


def _join(path: str, name: object) -> str:
    return f"{path}.{name}" if path else str(name)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _alike(stored: Any, again: Any) -> bool:
    if isinstance(stored, float) and isinstance(again, float):
        return stored == again or math.isclose(stored, again, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
    if isinstance(stored, str) and isinstance(again, str):
        return stored == again or _same_but_for_last_digits(stored, again)
    if _is_number(stored) and _is_number(again):
        return bool(stored == again)
    return type(stored) is type(again) and bool(stored == again)


def _same_but_for_last_digits(stored: str, again: str) -> bool:
    """Whether two sentences differ in nothing but rounded numbers, each by one in its last digit at most."""
    if _NUMBER.sub("#", stored) != _NUMBER.sub("#", again):
        return False
    return all(
        left == right or ("." in left and math.isclose(float(left), float(right), rel_tol=0.0, abs_tol=_last(left)))
        for left, right in zip(_NUMBER.findall(stored), _NUMBER.findall(again), strict=True)
    )


def _last(number: str) -> float:
    """One in the last digit of a number as it is written, and a little for rounding."""
    digits, _, power = number.partition("e")
    return 1.001 * 10.0 ** (int(power or 0) - len(digits.partition(".")[2]))


def _short(value: Any) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
