"""``cherish users forget-second-factor``: what the operator does for somebody who has lost the authenticator.

It talks to the database. Make sure first who asks: with this and the password one is in.
"""

from typing import Annotated

import typer
from rich.console import Console

from app.accounts import factors, people, sessions
from app.audit import service as audit
from app.cli.keys import operator_session
from app.errors import NotFound

users = typer.Typer(help="People who sign in: take a lost second factor away.", no_args_is_help=True)
users.callback()(lambda: None)  # with it a group of one command stays a group


def register(app: typer.Typer) -> None:
    app.add_typer(users, name="users")


@users.command()
def forget_second_factor(
    email: Annotated[str, typer.Argument(help="The address that the user signs in with.")],
) -> None:
    """Let a user sign in with the password alone again; all sessions of the user end."""
    with operator_session() as session:
        person = people.user_by_email(session, sessions.normal_email(email))
        if person is None or not factors.forget(session, person[0]):
            raise NotFound(f"no user {email!r} who signs in with a second factor; nothing was changed")
        user, account = person
        audit.record(
            session, None, "remove_second_factor", f"usr_{user.id.hex}", {}, subject=account.id, note="command line"
        )
    Console().print(f"{email} signs in with the password alone")
