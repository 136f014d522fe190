"""What a process that has files parsed says at its start of the walls around its parser. It raises no wall."""

import threading

import structlog

from app.sandbox import process
from app.sandbox.process import Sandbox

log = structlog.get_logger(__name__)


def say_at_start() -> None:
    """Start the sandbox, and say in the log what is missing around it; nobody waits for that."""
    shared = process.shared()
    shared.start()
    threading.Thread(target=say, args=(shared,), daemon=True).start()


def say(sandbox: Sandbox) -> None:
    """One warning for each wall that is missing, with the mend; one line where all stand."""
    try:
        walls = sandbox.walls()
    except Exception:
        log.exception("sandbox.unknown_walls")
        return
    for wall, mend in walls.missing.items():
        log.warning("sandbox.wall_missing", wall=wall, mend=mend)
    if not walls.missing:
        log.info("sandbox.walled", walls=list(walls.raised))
