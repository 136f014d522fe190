"""What was worked out a moment ago, by what it rests on: for results that are large to make and small to keep.

A result is kept for minutes, in this process alone, and never longer than asked; a key must name everything that the
result depends on. It is no store: whatever is here can be made again.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Recent(Generic[T]):
    """At most ``most`` results, each for ``seconds``; those used longest ago go first. Safe between threads."""

    def __init__(self, most: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._seconds, self._clock = most, seconds, clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, tuple[float, T]] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The result of this key, made where it is not here; what ``make`` raises is raised, and not kept."""
        now = self._clock()
        with self._lock:
            found = self._kept.get(key)
            if found is not None and now < found[0]:
                self._kept.move_to_end(key)
                return found[1]
        # two who ask at once both make it: neither waits for the other's files
        made = make()
        with self._lock:
            self._kept[key] = (now + self._seconds, made)
            self._kept.move_to_end(key)
            for old in [each for each, (ends, _) in self._kept.items() if ends <= now]:
                del self._kept[old]
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return made
