"""Numbers are added up by one thread, whatever the environment asks for; how many coalitions run at a time is kept."""

import os

import pytest

from contract.arithmetic import ONE_THREAD, one_thread


def test_linear_algebra_gets_one_thread_and_nothing_else_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*ONE_THREAD, "OMP_NUM_THREADS"):
        monkeypatch.setenv(name, "8")
    one_thread()
    assert [os.environ[name] for name in ONE_THREAD] == ["1", "1"]
    assert os.environ["OMP_NUM_THREADS"] == "8"
