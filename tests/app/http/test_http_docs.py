"""docs/api.md can be followed: its shell blocks run against a real server, its paths and problems exist."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI

from app.errors import CherishError
from app.http.ids import parse_id
from app.valuations.states import ValuationStatus
from tests.app.conftest import Known
from tests.serving import serving

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "api.md").read_text()


@pytest.fixture
def address(app: FastAPI) -> Iterator[str]:
    """The application on a port of this machine, in the test's transaction."""
    with serving(app) as url:
        yield url


def test_a_stranger_can_follow_the_page_with_curl(
    address: str, admin: Known, buyer: Known, provider: Known, tmp_path: Path
) -> None:
    if shutil.which("curl") is None or shutil.which("bash") is None:
        pytest.skip("the page is for curl and a shell, and one of them is not installed here")
    script = "\n".join(["set -euo pipefail", *re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)])
    keys = {"ADMIN": admin.token, "BUYER": buyer.token, "PROVIDER": provider.token}
    done = subprocess.run(
        ["bash", "-x", "-c", script],
        cwd=tmp_path,
        env=os.environ | keys | {"API": address, "no_proxy": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    assert '"status":"ready","target":"label","modality":"tabular","format":"csv"' in done.stdout
    assert '"status":"published"' in done.stdout
    assert '"available":"500.00"' in done.stdout
    assert '"status":"cancelled"' in done.stdout, "nobody was at work on it, so it ended at once"


def test_every_call_that_the_pages_name_exists(app: FastAPI) -> None:
    offered = {
        (method.upper(), re.sub(r"\{\w+\}", "{}", path))
        for path, operations in app.openapi()["paths"].items()
        for method in operations
    }
    for page in (PAGE, (DOCS / "webhooks.md").read_text()):
        for method, path in re.findall(r"`(GET|POST|PUT|PATCH|DELETE) (/[^`?]*)`", page):
            assert (method, re.sub(r"\{\w+\}", "{}", path)) in offered, f"{method} {path}"


def test_the_pages_problems_and_states_are_the_codes() -> None:
    def kinds(kind: type[CherishError]) -> Iterator[type[CherishError]]:
        yield kind
        for sub in kind.__subclasses__():
            yield from kinds(sub)

    rows = re.findall(r"^\| (\d{3}) \| (`[^|]*`) \|", PAGE, re.MULTILINE)
    named = {(int(status), slug) for status, slugs in rows for slug in re.findall(r"`([a-z-]+)`", slugs)}
    here = {(kind.status, kind.type) for kind in kinds(CherishError) if kind.__module__ == "app.errors"}
    assert named == here
    states = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| ", PAGE, re.MULTILINE)
    assert {name for row in states for name in re.findall(r"`(\w+)`", row)} == {each.value for each in ValuationStatus}


def test_ids_have_the_form_that_the_page_gives_them(buyer: Known) -> None:
    told = buyer.client.get("/v1/me").json()
    assert "`acc_` an organisation" in PAGE
    parse_id("acc", told["id"])
