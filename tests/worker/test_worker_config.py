"""What Celery must be told, or else: each of these settings has cost somebody a night."""

import subprocess
import sys
from pathlib import Path

from app.settings import Settings
from worker.config import celery_settings

ROOT = Path(__file__).parents[2]


def test_celery_is_a_doorbell_and_postgres_the_truth() -> None:
    conf = celery_settings(Settings(redis_url="unix:///run/redis.sock"))  # type: ignore[arg-type]  # pydantic makes the secret
    assert conf["broker_url"] == "redis+socket:///run/redis.sock"
    assert conf["accept_content"] == ["json"]
    assert conf["result_backend"] is None
    assert conf["task_ignore_result"] is True
    assert conf["task_acks_late"] is False
    assert conf["task_reject_on_worker_lost"] is False
    assert (conf["worker_prefetch_multiplier"], conf["worker_disable_prefetch"]) == (1, True)
    assert conf["worker_pool_start_method"] == "spawn"
    assert conf["worker_hijack_root_logger"] is False
    assert conf["broker_transport_options"]["visibility_timeout"] >= 4 * conf["task_time_limit"]
    assert conf["worker_proc_alive_timeout"] >= 60, "torch loads slowly on a busy machine"


def test_the_process_that_listens_never_loads_torch() -> None:
    program = "import sys, worker.celery_app, worker.tasks; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0
