"""The units of deploy/systemd, started by systemd on a bare host: what they start is ready, walled in, a user of its
own, answers jobs, comes back when it is killed, backs up, and ends in order."""

import shutil
from collections.abc import Iterator

import pytest

from tests.faults.market import StormyMarket
from tests.topology.machine import STARTED, Machine, bootable

pytestmark = [
    pytest.mark.long,
    pytest.mark.faults,
    pytest.mark.timeout(0),
    pytest.mark.skipif(not bootable(), reason="starting systemd takes root, its programs, and leave to mount"),
    pytest.mark.skipif(shutil.which("nsenter") is None, reason="nsenter is absent"),
]
USERS = {
    "cherish-api.service": "cherish-api",
    "cherish-relay.service": "cherish-housekeeping",
    "cherish-worker-cpu@1.service": "cherish-worker",
}


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with Machine() as found:
        yield found


@pytest.fixture(scope="module")
def market(machine: Machine) -> Iterator[StormyMarket]:
    found = StormyMarket.on(machine)
    yield found
    found.close()


def test_each_unit_runs_as_its_user_without_privileges(machine: Machine) -> None:
    assert machine.unit("cherish-migrate.service", "Result") == "success"
    uids = {line.split(":")[0]: line.split(":")[2] for line in machine.run("cat", "/etc/passwd").splitlines()}
    for unit, user in USERS.items():
        found = machine.processes(unit)
        assert found, unit
        for process in found:
            told = dict(line.split(":", 1) for line in machine.run("cat", f"/proc/{process}/status").splitlines())
            assert set(told["Uid"].split()) == {uids[user]}, unit
            assert told["NoNewPrivs"].strip() == "1"
            assert told["Seccomp"].strip() == "2"
            # what reads files has a namespace of users of its own, and all power in there
            if str(process) == machine.unit(unit, "MainPID"):
                assert int(told["CapEff"], 16) == int(told["CapBnd"], 16) == 0


def test_a_job_goes_through_them_and_outlives_a_killed_worker(machine: Machine, market: StormyMarket) -> None:
    worker = "cherish-worker-cpu@1.service"
    calm = market.post()
    assert calm.end(300)["status"] == "succeeded"
    again = market.post()
    market.under_way(again, 3)
    machine.kill(worker)
    assert again.end(300)["status"] == "succeeded"
    assert again.answer() == calm.answer()
    assert int(machine.unit(worker, "NRestarts")) >= 1
    assert machine.unit("cherish-api.service", "NRestarts") == "0"


def test_the_backup_unit_leaves_one_that_its_owner_alone_reads(machine: Machine, market: StormyMarket) -> None:
    machine.run("systemctl", "start", "cherish-backup.service")
    assert machine.unit("cherish-backup.service", "Result") == "success"
    assert machine.run("stat", "--format=%U %a", "/var/backups/cherish").split() == ["cherish-owner", "700"]
    assert machine.run("find", "/var/backups/cherish", "-type", "f").split()


def test_they_end_in_order(machine: Machine, market: StormyMarket) -> None:
    for unit in STARTED:
        machine.run("systemctl", "stop", unit)
        assert machine.unit(unit, "ActiveState") == "inactive", unit
        assert machine.unit(unit, "Result") == "success", unit
