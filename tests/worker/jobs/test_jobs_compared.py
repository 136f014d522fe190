"""The result of a comparison: nobody has a value, and a reason stands where nothing can be compared."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from contract.orders.job import Job
from contract.orders.spec import ValuationSpec
from contract.results.result import StoredResult
from tests.worker.engine.loop.test_loop_differences import ends
from worker.engine.games.game import Player
from worker.jobs.compared import compared

JOB = cast(Job, SimpleNamespace(spec=ValuationSpec(), game_digest="ab" * 32))
PLAYERS = [Player("one", 10, "a" * 64), Player("two", 20, "b" * 64)]


def test_nobody_is_valued_and_the_difference_is_stored() -> None:
    before, after = ends(np.arange(400) % 5 > 0), ends(np.arange(400) % 10 > 0)
    result = compared(JOB, PLAYERS, before, after)
    back = StoredResult.from_dict(result.plain())
    assert back == result
    assert [each.share for each in back.players] == [None, None]
    assert (back.empty_worth, back.full_worth, sum(back.evaluations.values())) == (0.5, 0.9, 0)
    assert back.selection is not None and back.selection.difference is not None  # noqa: PT018
    assert (back.selection.difference.before, back.selection.difference.after) == (0.8, 0.9)
    assert back.gain is not None and back.gain.gained  # noqa: PT018


def test_what_cannot_be_compared_is_said() -> None:
    model = ends(np.arange(400) % 5 > 0)

    def why(before: Any, after: Any) -> str:
        selection = compared(JOB, PLAYERS, before, after).selection
        assert selection is not None
        assert selection.difference is None
        return selection.reason or ""

    assert "is not kept" in why(None, model)
    assert "row by row" in why(replace(model, basis="other rows"), model)
