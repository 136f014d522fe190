"""The market that is read under load: buyers, providers, catalogue, jobs that have ended; and a job that stays at work.

Files are scikit-learn's digits, which are bundled; everything is made over HTTP, as customers make it.
"""

import time
from dataclasses import dataclass
from typing import Any

from app.accounts import service
from app.db.session import make_engine, make_session_factory, transaction
from app.demo.digits import TARGET, digits_market
from app.embedded.stack import EmbeddedStack
from app.identity import Role
from app.settings import Settings
from cherish import Client

PLAYERS, LISTINGS, ENDED = 10, 60, 4


@dataclass
class Market:
    """Keys by role, ids of what was made, and the order that is posted again and again."""

    admin: str
    buyer: str
    poster: str
    provider: str
    datasets: list[str]
    poster_test: str
    ended: list[str]

    def order(self) -> dict[str, Any]:
        """An order on all datasets; of a buyer of its own, whose jobs wait in the queue."""
        return {
            "datasets": self.datasets,
            "test_dataset": self.poster_test,
            "pool": "1.00",
            "currency": "EUR",
            "max_retrains": 16,
        }


def settle(stack: EmbeddedStack) -> Market:
    """The whole market on a stack that runs; returns once its first jobs have ended."""
    settings = Settings.from_variables(stack.settings_env())
    engine = make_engine(settings.database_url.get_secret_value(), pool_size=1)
    with transaction(make_session_factory(engine)) as session:

        def person(name: str, role: Role) -> tuple[str, str]:
            account = service.create_account(session, name, role)
            return f"acc_{account.id.hex}", service.issue_key(session, settings, account, "first key")[1]

        _, admin = person("Operator", Role.ADMIN)
        buyer_id, buyer = person("Buyer", Role.BUYER)
        poster_id, poster = person("Second buyer", Role.BUYER)
        providers = [person(f"Provider {number}", Role.PROVIDER)[1] for number in range(PLAYERS)]
    engine.dispose()
    files, test = digits_market()
    datasets = []
    for token, file in zip(providers, files, strict=True):
        with Client(stack.api_url, token) as client:
            for copy in range(LISTINGS // PLAYERS):
                # the further ones are small: they fill the catalogue
                content = file.content if copy == 0 else f"x,{TARGET}\n{copy},1\n2,0\n".encode()
                kind = file.format if copy == 0 else "csv"
                name = f"handwritten digits {copy} of {file.owner}"
                made = client.upload_dataset(name, content, target=TARGET, format=kind)
                client.publish_dataset(made["id"], "CC0-1.0")
                if copy == 0:
                    datasets.append(made["id"])
    with Client(stack.api_url, admin) as client:
        for account in (buyer_id, poster_id):
            deposit = {"account_id": account, "amount": "100000.00", "currency": "EUR", "reference": "benchmark"}
            client.post("/v1/ledger/deposits", deposit)
        client.patch(f"/v1/admin/accounts/{poster_id}/limits", {"max_running_jobs": 1})
    with Client(stack.api_url, poster) as client:
        poster_test = client.upload_dataset("test", test.content, target=TARGET, format=test.format, kind="test")["id"]
    with Client(stack.api_url, buyer) as client:
        mine = client.upload_dataset("test", test.content, target=TARGET, format=test.format, kind="test")
        order: dict[str, Any] = {"datasets": datasets, "test_dataset": mine["id"], "pool": "500.00", "currency": "EUR"}
        jobs = [client.create_valuation(**order, max_retrains=16, seed=seed) for seed in range(ENDED)]
        ended = [client.wait(job["id"], timeout=600) for job in jobs]
        assert all(job["status"] == "succeeded" for job in ended), ended
    ids = [job["id"] for job in ended]
    return Market(admin, buyer, poster, providers[0], datasets, poster_test, ids)


def hold(stack: EmbeddedStack, market: Market) -> str:
    """A job that is at work until it is cancelled: every coalition trained anew, to a precision it does not reach.

    It is the second buyer's, who may run one at a time: what that buyer posts from now on waits in the queue.
    """
    with Client(stack.api_url, market.poster) as client:
        job = client.create_valuation(
            datasets=market.datasets,
            test_dataset=market.poster_test,
            pool="500.00",
            currency="EUR",
            model={"name": "mlp", "hyper": {"hidden": 128, "steps": 1500}},
            fidelity="retrain",
            estimator="permutation",
            share_ci=0.001,
            seed=99,
        )
        ends = time.monotonic() + 120
        while not any(client.get(f"/v1/valuations/{job['id']}")["progress"]["evaluations"].values()):
            assert time.monotonic() < ends, "the job has not begun"
            time.sleep(0.5)
    return str(job["id"])
