"""``python -m worker [cpu|gpu]``: one worker, one child process, one device. Ends clean on SIGTERM.

The shard in hand is finished or given back at once; what Redis still holds is not touched.
"""

import os
import sys

from app import logs
from app.sandbox import walls
from app.settings import get_settings
from app.storage import scratch
from worker.celery_app import app


def main(argv: list[str]) -> None:
    queue = argv[0] if argv else "cpu"
    if queue not in ("cpu", "gpu") or len(argv) > 1:
        sys.exit("usage: python -m worker [cpu|gpu]")
    # the environment holds secrets, and files are parsed on this machine
    walls.hide()
    settings = get_settings()
    # before Celery says anything
    logs.configure_logging(settings.log_level, as_json=settings.log_json)
    os.nice(settings.worker_nice)
    # billiard keeps files for as long as its processes live, and leaves them when these are killed
    scratch.adopt()
    app.worker_main(
        [
            # no banner among the lines of the log
            "--quiet",
            "worker",
            f"--queues={queue}",
            f"--hostname={queue}-{os.getpid()}@%h",
            f"--loglevel={settings.log_level}",
            # workers say that they are alive in Postgres; through Redis each would hear of every other
            "--without-gossip",
            "--without-mingle",
            "--without-heartbeat",
        ]
    )


if __name__ == "__main__":
    main(sys.argv[1:])
