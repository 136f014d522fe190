"""Keeps named children running: restarts those that ended, with a growing delay, and reports it. It treats all programs
alike.

Fault tests reach single children through it: kill, pause, take down, bring up.
"""

import signal
import threading
import time
from collections.abc import Callable

from app.embedded.child import Child
from app.embedded.places import EmbeddedError

_FIRST_DELAY, _LONGEST_DELAY = 0.5, 30.0
# a child that ran this long before it ended starts again with the first delay
_STEADY_SECONDS = 60.0


class Supervisor:
    """Children by name. ``say`` gets a line for each event, from another thread too."""

    def __init__(self, say: Callable[[str], None] | None = None) -> None:
        self._say = say or (lambda _: None)
        self._parts: dict[str, _Part] = {}
        self._stopping = threading.Event()
        self._watcher: threading.Thread | None = None
        self._guard = threading.RLock()

    def add(self, name: str, start: Callable[[], object], child: Callable[[], Child | None]) -> None:
        """Manage a child: ``start`` starts it (again), ``child`` returns the process that runs now."""
        self._parts[name] = _Part(name, start, child)

    def add_child(self, child: Child) -> None:
        """Manage a child that starts itself."""
        self.add(child.name, child.start, lambda: child)

    def watch(self) -> None:
        """Begin to restart children that end."""
        self._stopping.clear()
        self._watcher = threading.Thread(target=self._watch, name="cherish-supervisor", daemon=True)
        self._watcher.start()

    def stop_watching(self) -> None:
        """Nothing is restarted any more."""
        self._stopping.set()
        if self._watcher is not None:
            self._watcher.join()
            self._watcher = None

    def stop_children(self, *names: str) -> None:
        """End these children at the same time and wait for all of them."""
        children = [part.child for name in names if (part := self._parts.get(name)) and part.child]
        for child in children:
            child.request_stop()
        for child in children:
            child.stop()

    @property
    def children(self) -> dict[str, int]:
        """Name -> process id of every child that runs now."""
        alive = {name: part.child for name, part in self._parts.items() if part.child and part.child.running}
        return {name: child.pid for name, child in alive.items() if child.pid is not None}

    def processes(self, name: str) -> list[int]:
        """The ids of a child and all that descend from it (a worker's spawned child, a server's backends)."""
        child = self._part(name).child
        return child.processes() if child else []

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to a child and its descendants; processes that it ends are restarted."""
        child = self._part(name).child
        if child:
            child.signal(number)

    def pause(self, name: str) -> None:
        """Pause a child and its descendants (SIGSTOP)."""
        self.kill(name, signal.SIGSTOP)

    def resume(self, name: str) -> None:
        """Let a paused child go on."""
        self.kill(name, signal.SIGCONT)

    def take_down(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """End a child and keep it down until ``bring_up``."""
        with self._guard:
            part = self._part(name)
            part.held = True
            if part.child:
                part.child.signal(number)
                part.child.stop()

    def bring_up(self, name: str) -> None:
        """Start a child that was taken down."""
        with self._guard:
            part = self._part(name)
            part.held = False
            part.start()

    def _part(self, name: str) -> "_Part":
        try:
            return self._parts[name]
        except KeyError:
            raise EmbeddedError(f"no child is named {name!r}; there are {', '.join(self._parts) or 'none'}") from None

    def _watch(self) -> None:
        while not self._stopping.wait(0.1):
            with self._guard:
                for part in self._parts.values():
                    if self._stopping.is_set():
                        return
                    part.look_after(self._say)


class _Part:
    """A child and when to start it again."""

    def __init__(self, name: str, start: Callable[[], object], child: Callable[[], Child | None]) -> None:
        self.name = name
        self._start = start
        self._child = child
        self.held = False
        self._started = time.monotonic()
        self._delay = _FIRST_DELAY
        self._due: float | None = None

    @property
    def child(self) -> Child | None:
        return self._child()

    def start(self) -> None:
        self._started = time.monotonic()
        self._due = None
        self._start()

    def look_after(self, say: Callable[[str], None]) -> None:
        """Start the child again when its delay has passed; a failure to start counts as another crash."""
        child = self.child
        if self.held or (child is not None and child.running):
            return
        now = time.monotonic()
        if self._due is None:
            if now - self._started > _STEADY_SECONDS:
                self._delay = _FIRST_DELAY
            code = child.poll() if child else None
            log = f"; see {child.log}" if child else ""
            say(f"{self.name} ended (code {code}); starting it again in {self._delay:g} s{log}")
            self._due = now + self._delay
            self._delay = min(self._delay * 2, _LONGEST_DELAY)
        elif now >= self._due:
            try:
                self.start()
            except (EmbeddedError, OSError) as error:
                say(f"{self.name} could not be started: {error}")
