"""A command reads of an answer what it prints: newer fields are passed over, and a missing one is named."""

from typing import Any

import pytest
from pydantic import ValidationError

from app.cli.answers import JobAnswer, JobValues, ListedDataset, PaidPlayer, WorthCounts

JOB: dict[str, Any] = {
    "id": "val_1",
    "status": "running",
    "reason": None,
    "error": None,
    "progress": {"evaluations": {"unlearn": 7, "repair": 0, "retrain": 3}, "widest_share_interval": None},
}


def test_a_field_of_a_newer_service_is_passed_over() -> None:
    read = ListedDataset.read({"id": "ds_1", "name": "a", "status": "draft", "rows": None, "colour": "blue"})
    assert read.model_dump() == {"id": "ds_1", "name": "a", "status": "draft", "rows": None}


def test_a_field_that_is_missing_is_named() -> None:
    with pytest.raises(ValidationError, match="progress"):
        JobAnswer.read({name: value for name, value in JOB.items() if name != "progress"})


def test_worths_are_counted_by_how_they_came_about_and_together() -> None:
    counts = WorthCounts(unlearn=7, repair=2, retrain=3)
    assert list(counts.plain().items()) == [("unlearn", 7), ("repair", 2), ("retrain", 3)]
    assert counts.total() == 12


@pytest.mark.parametrize(("status", "succeeded"), [("succeeded", True), ("failed", False), ("settling", False)])
def test_only_a_job_that_has_succeeded_has_a_result(status: str, succeeded: bool) -> None:
    assert JobAnswer.read(JOB | {"status": status}).succeeded is succeeded


def test_what_older_services_do_not_say_is_absent_and_not_zero() -> None:
    player = {"provider": "a", "rows": 3, "value": 0.1, "stderr": None, "share": None, "amount": "0.00"}
    paid = PaidPlayer.read(player)
    assert (paid.paid_share, paid.reason) == (None, None)
    values = JobValues.read(
        {"currency": "EUR", "evaluations": {"unlearn": 0, "repair": 0, "retrain": 4}, "stopped_by": "share_ci"}
        | {"audit": None, "players": [player]}
    )
    assert (values.precision, values.audit, values.players) == (None, None, [paid])
