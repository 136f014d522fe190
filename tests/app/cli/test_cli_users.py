"""``cherish users forget-second-factor``: the operator's way for somebody who has lost the authenticator."""

import time

import pyotp
from sqlalchemy import select
from sqlalchemy.orm import Session
from typer.testing import CliRunner

from app.accounts import factors, service, sessions, users
from app.audit.tables import AuditEntry
from app.cli import app as cli
from app.cli.users import forget_second_factor
from app.errors import NotFound
from app.identity import Role
from app.settings import get_settings
from tests.app.cli.test_cli_keys import deployed, deployment

__all__ = ["deployed", "deployment"]
EMAIL, PASSWORD = "ada@harbour.example", "a quiet harbour at dawn"


def test_a_lost_second_factor_is_taken_away_and_that_is_recorded(deployed: Session) -> None:
    settings = get_settings()
    account = service.create_account(deployed, "Harbour Hospital", Role.PROVIDER)
    ada = users.create_user(deployed, account, EMAIL, "Ada", PASSWORD)
    caller = sessions.caller_of_session(deployed, settings, sessions.login(deployed, settings, ada))
    deployed.commit()
    refused = CliRunner().invoke(cli, ["users", "forget-second-factor", EMAIL])
    assert isinstance(refused.exception, NotFound) or refused.exit_code == 1
    secret = factors.begin(deployed, settings, caller, PASSWORD).secret
    factors.confirm(deployed, settings, caller, pyotp.TOTP(secret).at(int(time.time())))
    deployed.commit()
    told = CliRunner().invoke(cli, ["users", "forget-second-factor", f" {EMAIL.upper()} "])
    assert (told.exit_code, "signs in with the password alone" in told.output) == (0, True)
    deployed.expire_all()
    assert not factors.enabled(deployed, ada.id)
    [entry] = deployed.scalars(select(AuditEntry).where(AuditEntry.action == "remove_second_factor")).all()
    assert entry.note == "command line"
    assert forget_second_factor.__doc__ is not None
