"""From release to release under load: no call fails, and the values of a job that is under way stay what they were.

The programs of the release before come from this repository's history; where that is absent (a shallow clone, an
archive) the test says so and is skipped. ``CHERISH_UPGRADE_FROM`` names another revision.
"""

import io
import json
import os
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from app.identity import Role
from tests.faults.market import StormyMarket
from tests.faults.upped import FACTOR
from tests.topology.topology import SOURCE, WORKERS, Topology

# the last commit of 0.1.0, and the first that has today's ENGINE_RULES
FIRST_RELEASE = os.environ.get("CHERISH_UPGRADE_FROM", "1a60e73c")
SAME_RULES = "4cfb6cea"
pytestmark = [pytest.mark.faults, pytest.mark.long, pytest.mark.timeout(0)]


def unpacked(revision: str, folder: Path) -> Path:
    """The files of a revision of this repository."""
    command = ["git", "-C", str(SOURCE), "archive", "--format=tar", revision]
    found = subprocess.run(command, capture_output=True, check=False)
    if found.returncode:
        pytest.skip(f"revision {revision} is not in this clone's history, so there is no release to come from")
    with tarfile.open(fileobj=io.BytesIO(found.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


# as ``StormyMarket.key``, by the release that knows the tables as they are
_KEY = """
import json, sys
from app.accounts import service as accounts
from app.db.session import make_engine, make_session_factory, transaction
from app.identity import Role
from app.payouts import service as payouts
from app.settings import Settings
name, role, deposit = json.loads(sys.argv[1])
settings = Settings()
with transaction(make_session_factory(make_engine(settings.database_url.get_secret_value()))) as session:
    account = accounts.create_account(session, name, Role(role))
    if deposit:
        payouts.deposit(session, account.id, deposit, "EUR", f"first deposit of {name}")
    print(f"acc_{account.id.hex}", accounts.issue_key(session, settings, account, "faults")[1])
"""


class MarketOfRelease(StormyMarket):
    """A market whose accounts are made by the release that runs, because another knows other columns."""

    def key(self, name: str, role: Role, deposit: int = 0) -> tuple[str, str]:
        """A new account, its id and a key of it."""
        place = self.place
        assert isinstance(place, Topology)
        env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(place.source), **place.settings_env()}
        words = [sys.executable, "-c", _KEY, json.dumps([name, role.value, deposit])]
        done = subprocess.run(words, env=env, cwd=place.source, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        account, token = done.stdout.split()
        return account, token


@contextmanager
def load(place: Topology, key: str) -> Iterator[list[str]]:
    """Reads through the edge, all the time; what was wrong with them."""
    ended, wrong = threading.Event(), []

    def ask() -> None:
        with place.client() as client:
            while not ended.is_set():
                for path in ("/v1/me", "/v1/catalog", "/v1/valuations", "/v1/me/balance"):
                    try:
                        answer = client.get(path, headers={"Authorization": f"Bearer {key}"})
                    except httpx.HTTPError as error:
                        wrong.append(f"{path}: {error!r}")
                        continue
                    if answer.status_code != 200:
                        wrong.append(f"{path}: {answer.status_code} {answer.text[:200]}")
                ended.wait(0.05)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for each in threads:
        each.start()
    try:
        yield wrong
    finally:
        ended.set()
        for each in threads:
            each.join()


def upgrade_api(place: Topology) -> None:
    for name in ("api", "api-2"):
        place.upgrade(name)
        ends = time.monotonic() + 120
        while not place.is_ready(name):
            assert time.monotonic() < ends, place.tail(name)
            time.sleep(0.2)
    for name in ("relay", "sweeper"):
        place.upgrade(name)


def test_a_job_goes_over_from_one_release_to_the_next(tmp_path: Path) -> None:
    with Topology(source=unpacked(SAME_RULES, tmp_path)) as place:
        market = MarketOfRelease.on(place)
        try:
            calm = market.post()
            assert calm.end(240 * FACTOR)["status"] == "succeeded"
            _, key = market.key("a buyer who reads", Role.BUYER, deposit=10_00)
            job = market.post()
            market.under_way(job, 2)
            with load(place, key) as wrong:
                place.release(SOURCE)
                place.migrate()
                upgrade_api(place)
                for worker in WORKERS:
                    place.upgrade(worker)
                assert job.end(240 * FACTOR)["status"] == "succeeded"
            assert wrong == []
            assert job.answer() == calm.answer()
            after = market.post()
            assert after.end(240 * FACTOR)["status"] == "succeeded"
            assert after.answer() == calm.answer()
            assert market.books() == []
        finally:
            market.close()


def test_a_job_under_earlier_rules_ends_on_workers_that_were_left(tmp_path: Path) -> None:
    with Topology(source=unpacked(FIRST_RELEASE, tmp_path), as_owner=True) as place:
        market = MarketOfRelease.on(place)
        try:
            calm = market.post()
            assert calm.end(240 * FACTOR)["status"] == "succeeded"
            before = calm.answer()
            _, key = market.key("a buyer who reads", Role.BUYER, deposit=10_00)
            job = market.post()
            market.under_way(job, 2)
            first, second = WORKERS
            with load(place, key) as wrong:
                place.release(SOURCE)
                place.migrate()
                upgrade_api(place)
                place.upgrade(first)
                assert job.end(240 * FACTOR)["status"] == "succeeded"
                place.upgrade(second)
            assert wrong == []
            assert job.answer() == before
            assert calm.answer() == before
            after = market.post()
            assert after.end(240 * FACTOR)["status"] == "succeeded"
            assert market.books() == []
        finally:
            market.close()
