"""Jobs under fault injection on the whole embedded stack: the same values and payouts, whatever breaks meanwhile.

A short seeded sample of the storm (``tests/faults/storm.py`` makes it as long as one likes), and each fault that a
sample may not draw by itself. A fault meets a job under way; the job must end as the undisturbed one did, to the last
bit, with every worth stored once, the ledger proved, no process without a supervisor and no file left over.
"""

import os
from collections.abc import Iterator

import numpy as np
import pytest

from tests.faults import injections
from tests.faults.market import StormyMarket
from tests.faults.storm import brave, calm_answer, faults_of, raised

pytestmark = [pytest.mark.faults, pytest.mark.timeout(0)]

SEED = int(os.environ.get("CHERISH_FAULTS_SEED", "0"))


@pytest.fixture(scope="module")
def market() -> Iterator[StormyMarket]:
    with raised() as found:
        yield found


@pytest.fixture(scope="module")
def calm(market: StormyMarket) -> str:
    """The answer of the undisturbed job; a second undisturbed one must give the same."""
    first = calm_answer(market)
    assert first == calm_answer(market)
    return first


def met(market: StormyMarket, calm: str, *faults: str) -> list[str]:
    return brave(market, calm, list(faults), np.random.default_rng(SEED))[1]


def test_a_storm_changes_no_number(market: StormyMarket, calm: str) -> None:
    [faults] = faults_of(SEED, 6)
    assert met(market, calm, *faults) == []


def test_an_api_killed_between_commit_and_dispatch_loses_no_job(market: StormyMarket, calm: str) -> None:
    assert met(market, calm, "kill_the_api_before_dispatch") == []


@pytest.mark.parametrize("disease", ["late", "forgetful", "crammed"])
def test_an_ill_worker_changes_no_number(market: StormyMarket, calm: str, disease: str) -> None:
    """It does the whole of a job, from the models to the money."""
    with injections.only_worker(market, disease):
        assert market.verdict(market.post(), calm) == []


def test_messages_that_come_twice_late_and_in_any_order_change_no_number(market: StormyMarket, calm: str) -> None:
    assert met(market, calm, "deliver_everything_twice_and_late", "deliver_everything_again") == []


def test_a_full_disk_refuses_an_upload_and_stores_nothing(market: StormyMarket, calm: str) -> None:
    assert met(market, calm, "fill_the_disk_during_an_upload") == []


def test_an_api_killed_during_an_upload_leaves_no_file(market: StormyMarket, calm: str) -> None:
    assert met(market, calm, "kill_the_api_during_an_upload") == []


def test_a_killed_supervisor_leaves_no_process_and_the_job_goes_on_at_the_next_start(
    market: StormyMarket, calm: str
) -> None:
    assert met(market, calm, "kill_the_supervisor") == []
