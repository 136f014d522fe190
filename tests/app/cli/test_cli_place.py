"""A command talks to the deployment that the variables name, else to the stack of its folder, else it says so."""

from pathlib import Path

import pytest

from app.cli.place import home, operator_settings
from app.embedded.places import EmbeddedError
from app.settings import get_settings


@pytest.fixture(autouse=True)
def _read_anew() -> None:
    get_settings.cache_clear()


def test_the_stack_s_folder_is_named_by_a_variable_or_lies_where_the_command_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHERISH_HOME", str(tmp_path / "elsewhere"))
    assert home() == tmp_path / "elsewhere"
    monkeypatch.chdir(tmp_path)
    for blank in (None, ""):
        if blank is None:
            monkeypatch.delenv("CHERISH_HOME")
        else:
            monkeypatch.setenv("CHERISH_HOME", blank)
        assert home() == tmp_path / ".cherish"


def test_variables_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHERISH_HOME", str(tmp_path))
    monkeypatch.setenv("CHERISH_DATABASE_URL", "postgresql://db.example/market")
    assert operator_settings().database_url.get_secret_value() == "postgresql://db.example/market"
    get_settings.cache_clear()


def test_without_a_variable_or_a_running_stack_both_ways_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CHERISH_DATABASE_URL", raising=False)
    for folder in (tmp_path, tmp_path / "absent"):
        monkeypatch.setenv("CHERISH_HOME", str(folder))
        with pytest.raises(EmbeddedError, match=r"no stack runs in .*; start one with `cherish up`, or set"):
            operator_settings()
    assert not (tmp_path / "absent").exists(), "looking makes nothing"
