"""``python -m benchmarks.pressure [NAME ...]``: what others' calls take while somebody presses, against the quiet time.

One API process with Postgres and Redis, as ``cherish up`` starts them; another tenant asks ten times a second, a call's
time counts from the moment it was due. Before each pressure the same is measured with nobody pressing, because the
machine is shared. The table of docs/threat-model.md is what is printed.
"""

import argparse
import asyncio
import multiprocessing
import tempfile
import time
import uuid
from pathlib import Path
from urllib.parse import urlsplit

from app.accounts import service
from app.db.session import make_engine, make_session_factory, transaction
from app.embedded.stack import EmbeddedStack
from app.identity import Role
from app.settings import Settings
from benchmarks.api.load import Call, Taken, drive
from benchmarks.pressure.attackers import AT_ONCE, PRESSURES, Target
from cherish import Client

RATE = 10.0
# until the attackers have opened what they hold
SETTLES = 12.0
_CSV = "a,b,label\n" + "".join(f"{at % 17},{at % 5},{at % 2}\n" for at in range(60))


def settle(stack: EmbeddedStack) -> tuple[Target, str]:
    """The attackers' accounts and things, and the key of somebody else who owns a few datasets."""
    settings = Settings.from_variables(stack.settings_env())
    engine = make_engine(settings.database_url.get_secret_value(), pool_size=1)
    keys = {}
    with transaction(make_session_factory(engine)) as session:
        for name, role in (("provider", Role.PROVIDER), ("buyer", Role.BUYER), ("other", Role.PROVIDER)):
            account = service.create_account(session, name, role)
            keys[name] = service.issue_key(session, settings, account, "first key")[1]
        admin = service.issue_key(session, settings, service.create_account(session, "admin", Role.ADMIN), "key")[1]
        buyer_id = f"acc_{service.authenticate(session, settings, keys['buyer']).account_id.hex}"
    engine.dispose()
    made = {}
    for name in ("provider", "other"):
        with Client(stack.api_url, keys[name]) as client:
            files = [_CSV + f"{at},{at},1\n" for at in range(3)]
            listed = [client.upload_dataset("numbers", file.encode(), target="label", format="csv") for file in files]
            for dataset in listed:
                client.publish_dataset(dataset["id"], "CC0-1.0")
            made[name] = tuple(str(dataset["id"]) for dataset in listed)
    with Client(stack.api_url, admin) as client:
        deposit = {"account_id": buyer_id, "amount": "1000.00", "currency": "EUR", "reference": "benchmark"}
        client.post("/v1/ledger/deposits", deposit)
    with Client(stack.api_url, keys["provider"]) as client:
        draft = {"name": "draft", "target": "label"}
        drafts = tuple(str(client.post("/v1/datasets", draft)["id"]) for _ in range(AT_ONCE))
    with Client(stack.api_url, keys["buyer"]) as client:
        # no row of them is a provider's
        files = [_CSV.replace(",0\n", ".5,0\n").replace(",1\n", ".5,1\n") + f"{at},3.5,0\n" for at in range(AT_ONCE)]
        tests = tuple(
            str(client.upload_dataset("test", file.encode(), target="label", format="csv", kind="test")["id"])
            for file in files
        )
        offered = [made["provider"][0], made["other"][0]]
        job = client.create_valuation(datasets=offered, test_dataset=tests[0], pool="1.00", currency="EUR")
    address = urlsplit(stack.api_url)
    target = Target(
        str(address.hostname), int(address.port or 80), keys["provider"], keys["buyer"], tuple(offered), tests, drafts,
        str(job["id"]),
    )  # fmt: skip
    return target, keys["other"]


def calls(token: str) -> list[Call]:
    paths = ("/v1/me", "/v1/datasets?limit=20", "/v1/catalog?limit=20", "/v1/me/balance")
    return [Call(path, lambda path=path: path, token) for path in paths]  # type: ignore[misc]  # bound by the default


def asked(stack: EmbeddedStack, token: str, seconds: float) -> Taken:
    """What the other tenant's calls took."""
    kinds, _ = asyncio.run(drive(stack.api_url, calls(token), RATE, seconds, seed=1))
    every = Taken()
    for taken in kinds.values():
        every.milliseconds += taken.milliseconds
        for status, count in taken.statuses.items():
            every.statuses[status] = every.statuses.get(status, 0) + count
    return every


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which of {', '.join(PRESSURES)}; none means all")
    parser.add_argument("--seconds", type=float, default=15.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=1, help="how often, one after the other")
    given = parser.parse_args()
    if unknown := set(given.names) - set(PRESSURES):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; choose among {', '.join(PRESSURES)}")
    home = Path(tempfile.gettempdir()) / f"cherish-pressure-{uuid.uuid4().hex[:10]}"
    stack = EmbeddedStack(home, workers=0)
    try:
        stack.start()
        target, token = settle(stack)
        asked(stack, token, 3)
        print("| pressure | quiet p50 ms | quiet p99 ms | p50 ms | p99 ms | times the quiet p99 | not 200 |")
        print("|---|---|---|---|---|---|---|")
        for name in [name for name in given.names or PRESSURES for _ in range(given.rounds)]:
            quiet = asked(stack, token, given.seconds)
            pressing = multiprocessing.get_context("spawn").Process(target=PRESSURES[name], args=(target,), daemon=True)
            pressing.start()
            time.sleep(SETTLES)
            assert pressing.is_alive(), f"nobody presses: {name} has ended"
            pressed = asked(stack, token, given.seconds)
            pressing.kill()
            pressing.join()
            others = sum(count for status, count in pressed.statuses.items() if status != 200)
            figures = [each.quantile(part) for each in (quiet, pressed) for part in (0.5, 0.99)]
            shown = " | ".join(f"{figure:.1f}" for figure in figures)
            print(f"| {name} | {shown} | {figures[3] / figures[1]:.1f} | {others} |", flush=True)
            time.sleep(5)
    finally:
        stack.destroy()


if __name__ == "__main__":
    main()
