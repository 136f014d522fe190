"""Whether the parts that a process needs answer: looked at in the background, and remembered for seconds.

However often somebody asks, and however many ask at once, a part is looked at once in a while and by one thread. A look
that does not come back counts as no answer, and no further one is begun meanwhile.
"""

import threading
import time
from collections.abc import Callable, Sequence

import anyio
import structlog

log = structlog.get_logger(__name__)

_PATIENCE_SECONDS = 3.0
_LOOK_SECONDS = 0.01
# a failure is looked at again soon, so that a process is used again as soon as it can be
_FAILED_SECONDS = 0.5


class Part:
    """One part: ``check`` raises where it does not answer; a success counts for ``fresh`` seconds.

    A process works ``without`` some parts, if less well.
    """

    def __init__(self, name: str, check: Callable[[], None], *, fresh: float, without: bool = False) -> None:
        self.name, self.without = name, without
        self._check, self._fresh = check, fresh
        self._lock = threading.Lock()
        self._answers = False
        self._ended = -float("inf")
        self._begun: float | None = None

    def look(self) -> None:
        """Begin to look, unless somebody does or has just done."""
        with self._lock:
            age = time.monotonic() - self._ended
            if self._begun is not None or age < (self._fresh if self._answers else _FAILED_SECONDS):
                return
            self._begun = time.monotonic()
        # it may hang for good, and must not keep the process from ending
        threading.Thread(target=self._run, daemon=True).start()

    def answers(self) -> bool | None:
        """Whether the part answers, by the last look; None while one is under way that may yet come back in time."""
        with self._lock:
            if self._begun is None:
                return self._answers
            return None if time.monotonic() - self._begun < _PATIENCE_SECONDS else False

    def _run(self) -> None:
        answers = False
        try:
            self._check()
            answers = True
        except Exception as error:
            log.warning("not_ready", part=self.name, error=str(error).split("\n", 1)[0], kind=type(error).__name__)
        finally:
            with self._lock:
                self._answers, self._ended, self._begun = answers, time.monotonic(), None


async def answering(parts: Sequence[Part]) -> list[Part]:
    """The parts that answer, after seconds at most."""
    for part in parts:
        part.look()
    while any(part.answers() is None for part in parts):
        await anyio.sleep(_LOOK_SECONDS)
    return [part for part in parts if part.answers()]
