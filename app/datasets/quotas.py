"""How much an organisation may keep here: drafts, versions of one dataset, bytes. Checked before a body is read, and
again by its true size before it is stored. Uploads that end at the same time may pass together."""

import uuid

from sqlalchemy.orm import Session

from app.accounts import registration
from app.datasets import repository
from app.errors import Conflict, FieldError
from app.http.ids import public_id
from app.identity import Caller
from app.settings import Settings


def check_draft(session: Session, settings: Settings, caller: Caller) -> None:
    """Raises Conflict for one draft too many."""
    most = registration.limits_of(session, settings, caller.account_id).max_drafts
    if repository.count_drafts(session, caller.account_id, most) >= most:
        raise reached(f"an organisation may have {most} drafts; upload to some or delete them")


def check_upload(session: Session, settings: Settings, caller: Caller, dataset_id: uuid.UUID, size_bytes: int) -> None:
    """Raises Conflict for one version too many of one's own dataset, or bytes above what one may keep."""
    name = public_id("ds", dataset_id)
    own = registration.limits_of(session, settings, caller.account_id)
    if repository.count_versions(session, dataset_id) >= own.max_versions:
        raise reached(f"dataset {name} has {own.max_versions} versions, which is all; create another dataset")
    check_bytes(repository.stored_bytes(session, caller.account_id), size_bytes, own.max_stored_bytes, "datasets")


def check_bytes(kept: int, more: int, most: int, what: str) -> None:
    """Raises Conflict where ``more`` bytes beside those that are ``kept`` are above ``most``."""
    if kept + more > most:
        raise reached(
            f"an organisation's {what} may have {most} bytes together, and yours have {kept} without these {more}; "
            "withdraw or delete some, or ask the administrator for more"
        )


def reached(detail: str) -> Conflict:
    """The refusal of what is above a quota, which ``detail`` names."""
    return Conflict(detail, errors=[FieldError("", detail, "quota")])
