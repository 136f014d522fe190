"""CONTRIBUTING's recipes, followed to the letter: each is done in a copy of the sources, and its checks run there."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
_TEXT = (ROOT / "CONTRIBUTING.md").read_text()
RECIPES = dict(re.findall(r"^## (Add [^\n]+)\n(.*?)(?=^## |\Z)", _TEXT, flags=re.S | re.M))
_BLOCK = re.compile(r"^```python (new|edit|check)(?:=(\S+))?\n(.*?)^```$", re.S | re.M)
_SOURCES = ("contract", "app", "worker", "cherish", "migrations")


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources that recipes may change."""
    place = tmp_path_factory.mktemp("sources")
    for name in _SOURCES:
        shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
    return place


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_does_what_it_says(name: str, sources: Path, tmp_path: Path) -> None:
    place = tmp_path / "copy"
    shutil.copytree(sources, place)
    checks = 0
    for kind, path, body in _BLOCK.findall(RECIPES[name]):
        if kind == "new":
            file = place / path
            assert not file.exists(), f"{path} is there already"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(body)
        elif kind == "edit":
            before, after = body.split("+++\n")
            text = (place / path).read_text()
            assert text.count(before.rstrip("\n")) == 1, f"{path} does not have these lines once:\n{before}"
            (place / path).write_text(text.replace(before.rstrip("\n"), after.rstrip("\n")))
        else:
            checks += 1
            command = [sys.executable, "-c", body]
            done = subprocess.run(
                command, cwd=place, env={"PYTHONPATH": str(place), "PATH": "/usr/bin:/bin"}, capture_output=True
            )
            assert done.returncode == 0, done.stderr.decode()
    assert checks, f"the recipe {name!r} checks nothing"


def test_every_recipe_that_is_promised_is_there() -> None:
    promised = {"a metric", "a learner", "an unlearning method", "a file format", "a payout policy", "an endpoint"}
    assert {f"Add {each}" for each in promised} <= set(RECIPES)
