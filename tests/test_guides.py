"""A whole stack as its customers meet it: the guides can be followed, and fifty at once get what they should.

The guides' shell blocks run as one story: the three roles take turns at the headings named in ``STORY``, because one
waits for what another does.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.accounts import service
from app.db.session import make_engine, make_session_factory, transaction
from app.embedded.stack import EmbeddedStack
from app.identity import Role
from app.settings import Settings
from cherish import Client

ROOT = Path(__file__).parents[1]
GUIDES = ROOT / "docs" / "guides"
# guide, and the heading at which its part ends
STORY = [
    ("admin", "## When providers want their money"),
    ("provider", "## See what it is worth"),
    ("buyer", None),
    ("provider", None),
    ("admin", None),
]


@dataclass(frozen=True)
class Market:
    """A running stack, a key of each role, and two providers whose data is published."""

    stack: EmbeddedStack
    keys: dict[str, str]
    datasets: list[str]


@pytest.fixture(scope="module")
def market() -> Iterator[Market]:
    home = Path(tempfile.gettempdir()) / f"cherish-guides-{uuid.uuid4().hex[:8]}"
    stack = EmbeddedStack(home, workers=1, servers=2, durable=False, env={"CHERISH_REGISTRATION": "approval"})
    try:
        stack.start()
        keys, others = _people(stack)
        yield Market(stack, keys, [_offered(stack, number, token) for number, token in enumerate(others)])
    finally:
        stack.destroy()


def _people(stack: EmbeddedStack) -> tuple[dict[str, str], list[str]]:
    settings = Settings.from_variables(stack.settings_env())
    engine = make_engine(settings.database_url.get_secret_value(), pool_size=1)
    with transaction(make_session_factory(engine)) as session:

        def person(name: str, role: Role) -> str:
            return service.issue_key(session, settings, service.create_account(session, name, role), "first key")[1]

        keys = {role.name: person(role.value, role) for role in Role}
        others = [person(name, Role.PROVIDER) for name in ("Fell Hospital", "Strand Hospital")]
        keys["SECOND"] = person("second buyer", Role.BUYER)
    engine.dispose()
    return keys, others


def _offered(stack: EmbeddedStack, number: int, token: str) -> str:
    """A dataset made by the guide's own program, with another seed."""
    program = re.search(r"<<'PYTHON'\n(.*?)PYTHON", (GUIDES / "provider.md").read_text(), re.DOTALL)
    assert program is not None
    code = program[1].replace("seed(1)", f"seed({number + 2})")
    rows = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    with Client(stack.api_url, token) as client:
        made = client.upload_dataset(f"patients {number}", rows, target="outcome", format="csv")
        client.publish_dataset(made["id"], "CC0-1.0")
    return str(made["id"])


def parts() -> list[str]:
    """The blocks of the guides in the order of the story."""
    read = {name: (GUIDES / f"{name}.md").read_text() for name in ("admin", "provider", "buyer")}
    done = dict.fromkeys(read, 0)
    found = []
    for name, until in STORY:
        end = len(read[name]) if until is None else read[name].index(until)
        page, done[name] = read[name][done[name] : end], end
        # a guide's first block says who one is; whoever's turn it is says it again
        found += [f"# --- {name}", next(_blocks(read[name])), *_blocks(page)]
    return found


def _blocks(page: str) -> Iterator[str]:
    for language, block in re.findall(r"```(sh|python)\n(.*?)```", page, re.DOTALL):
        yield block if language == "sh" else f"python3 - <<'PYTHON'\n{block}PYTHON"


def test_strangers_of_each_role_can_follow_their_guide(market: Market, tmp_path: Path) -> None:
    if shutil.which("curl") is None or shutil.which("bash") is None:
        pytest.skip("the guides are for curl and a shell, and one of them is not installed here")
    binaries = Path(sys.executable).parent
    environment = {
        **os.environ,
        **market.keys,
        "API": market.stack.api_url,
        "no_proxy": "127.0.0.1",
        "PATH": f"{binaries}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        ["bash", "-x", "-c", "\n".join(["set -euo pipefail", *parts()])],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    _look(tmp_path, done.stdout)


def _look(folder: Path, said: str) -> None:
    """What the story must have come to."""

    def told(name: str) -> Any:
        return json.loads((folder / name).read_text())

    names = {each["provider"] for each in told("values.json")["players"]}
    assert names == {"provider", "Fell Hospital", "Strand Hospital"}
    assert all(float(each["amount"]) > 0 for each in told("payouts.json")["payouts"])
    assert (folder / "values.parquet").read_bytes()[:4] == b"PAR1"
    assert (folder / "report.pdf").read_bytes()[:5] == b"%PDF-"
    assert "<svg" in (folder / "report.html").read_text()
    assert "Genuine" in said
    assert "event: valuation.succeeded" in said
    assert '"licence_problems":[]' in said
    assert '"status":"approved"' in said
    assert told("erasure.json")["certificate"]
    assert told("proof.json")["ok"] is True


def test_fifty_clients_with_one_key_post_one_job_and_no_wallet_is_overdrawn(market: Market) -> None:
    """Over HTTP, against two API processes: 50 posts under one key are one job, 50 orders spend what there is, once."""
    url = market.stack.api_url
    with Client(url, market.keys["SECOND"]) as buyer, Client(url, market.keys["ADMIN"]) as admin:
        account = buyer.get("/v1/me")["id"]
        deposit = {"account_id": account, "amount": "40.00", "currency": "EUR", "reference": "fifty at once"}
        admin.post("/v1/ledger/deposits", deposit)
        # nothing runs: the jobs wait, and hold their pools
        admin.patch(f"/v1/admin/accounts/{account}/limits", {"max_running_jobs": 0})
        rows = b"age,dose,weight,outcome\n" + b"50,0.9,70.0,better\n80,0.1,70.0,same\n" * 3
        test = buyer.upload_dataset("test", rows, target="outcome", format="csv", kind="test")
        order = {"datasets": market.datasets, "test_dataset": test["id"], "pool": "10.00"}
        statuses = _at_once(market, order, ["one"] * 50)
        assert set(statuses) <= {202, 409}
        assert 202 in statuses
        assert _at_once(market, order, ["one"]) == [202], "the repeat gets the first answer"
        assert len(list(buyer.valuations())) == 1
        assert sorted(_at_once(market, order, [str(number) for number in range(50)])) == [202] * 3 + [409] * 47
        balance = buyer.get("/v1/me/balance")["balances"][0]
        assert (balance["available"], balance["reserved"]) == ("0.00", "40.00")
        for job in list(buyer.valuations()):
            buyer.post(f"/v1/valuations/{job['id']}/cancel")
        assert buyer.get("/v1/me/balance")["balances"][0]["available"] == "40.00"
        assert admin.get("/v1/ledger/proof")["ok"] is True


def _at_once(market: Market, order: dict[str, Any], keys: list[str]) -> list[int]:
    """The statuses of posts of one order that start together, each on a connection and under a key of its own."""
    start, statuses = threading.Barrier(len(keys)), list[int]()

    def post(key: str) -> None:
        headers = {"Authorization": f"Bearer {market.keys['SECOND']}", "Idempotency-Key": key}
        with httpx.Client(base_url=market.stack.api_url, headers=headers, timeout=120, trust_env=False) as client:
            start.wait()
            statuses.append(client.post("/v1/valuations", json=order).status_code)

    threads = [threading.Thread(target=post, args=(key,)) for key in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statuses
