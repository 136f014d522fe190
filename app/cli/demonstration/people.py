"""Who takes part in a demonstration, and how it uploads: people with keys of their own, made in the database, and files
sent over HTTP."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from app.accounts import repository, service
from app.cli.answers import ListedDataset
from app.db.limits import Process
from app.db.session import make_session_factory, open_engine, transaction
from app.demo.digits import TARGET, File
from app.identity import Role
from app.settings import Settings
from cherish import Client


def new_buyer() -> str:
    """The name of the demonstration's buyer, who is new at each run; the first page shows its job."""
    return f"Demo buyer {datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f}"


@dataclass(frozen=True)
class Person:
    """An account and a key of its own."""

    id: str
    name: str
    token: str


def people(settings: Settings, buyer_name: str, files: Sequence[File]) -> tuple[Person, Person, list[Person]]:
    """The administrator, a buyer who is new at each run, and the ten providers, who stay."""
    engine = open_engine(settings, Process.OPERATOR, pool_size=1)
    try:
        with transaction(make_session_factory(engine)) as session:

            def person(name: str, role: Role) -> Person:
                account = repository.account_by_name(session, name) or service.create_account(session, name, role)
                _, token = service.issue_key(session, settings, account, "demo")
                return Person(f"acc_{account.id.hex}", name, token)

            admin = person("admin", Role.ADMIN)
            buyer = person(buyer_name, Role.BUYER)
            return admin, buyer, [person(file.owner, Role.PROVIDER) for file in files]
    finally:
        engine.dispose()


def upload(client: Client, name: str, file: File, kind: str) -> ListedDataset:
    return ListedDataset.read(client.upload_dataset(name, file.content, target=TARGET, format=file.format, kind=kind))
