"""With CHERISH_LOG_JSON every line of every process is a JSON object, libraries' and warnings' included."""

import json
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx

from app import logs

_NOISE = """
import logging, threading, warnings
from app import logs
logs.configure_logging("INFO", as_json=True)
logging.getLogger("somebody.elses").error("the key is %s", "postgresql://me:hunter2@host/db")
warnings.warn("a library is old", DeprecationWarning, stacklevel=1)
try:
    1 / 0
except ZeroDivisionError:
    logging.getLogger("uvicorn.error").exception("it failed")
thread = threading.Thread(target=lambda: [][1]); thread.start(); thread.join()
raise RuntimeError("the end")
"""


def _lines(text: str) -> list[dict[str, Any]]:
    lines = [line for line in text.splitlines() if line]
    other = [line for line in lines if not line.startswith("{")]
    assert not other, "\n".join(other)
    return [json.loads(line) for line in lines]


def test_whatever_is_logged_is_a_line_of_json_without_secrets() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", _NOISE], capture_output=True, text=True, check=False,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 1
    lines = _lines(done.stderr)
    assert "hunter2" not in done.stderr
    events = " ".join(line["event"] for line in lines)
    for said in ("the key is", "a library is old", "it failed", "thread.ended", "process.ended"):
        assert said in events
    assert all({"level", "timestamp"} <= line.keys() for line in lines)


def test_api_housekeeping_and_a_worker_at_work_write_nothing_else(processes: Any, tmp_path: Path) -> None:
    more = {"CHERISH_LOG_JSON": "true"}
    started = [
        processes.start("app.cli", "serve", "--port", "0", **more),
        processes.start("app.housekeeping", **more),
        processes.worker(**more),
    ]
    logs = sorted(processes.folder.glob("*.log"))
    ends = time.monotonic() + 60
    while not all(any(word in log.read_text() for log in logs) for word in ("worker.ready", "Uvicorn running")):
        assert time.monotonic() < ends, [log.read_text() for log in logs]
        time.sleep(0.2)
    address = next(
        word for log in logs for line in _lines(log.read_text()) if "Uvicorn running" in line["event"]
        for word in line["event"].split() if word.startswith("http://")
    )  # fmt: skip
    assert httpx.get(f"{address}/healthz", trust_env=False, timeout=60).status_code == 200
    # Celery itself says that its child begins and that it ends, in words of its own
    worker = next(log for log in logs if log.name.startswith("worker"))
    working = "\n".join(line for line in worker.read_text().splitlines() if "calling self.run()" not in line)
    assert "worker.ready" in {line["event"] for line in _lines(working)}
    for process in started:
        os.kill(process.pid, signal.SIGTERM)
    for process in started:
        process.wait(timeout=30)
    assert len(logs) == 3
    for log in logs:
        if log != worker:
            assert _lines(log.read_text()) or "housekeeping" in log.name


def test_what_a_library_logs_is_one_line_whatever_it_holds() -> None:
    path = "/a\nINFO all is well\x1b[2J"
    record = logging.LogRecord("lib", logging.WARNING, __file__, 1, "no such page: %s", (path,), None)
    line = logs._OneLine("%(levelname)s %(message)s").format(record)
    assert line == r"WARNING no such page: /a\nINFO all is well\x1b[2J"
