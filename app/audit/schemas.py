"""What HTTP sees of the audit log."""

from datetime import datetime
from typing import Any

from app.http.ids import AccountId, AuditId, KeyId, UserId
from app.http.schemas import Answer, example


class AuditAnswer(Answer):
    """One change: who did what to which object, when, from where, and what they asked for (secrets masked)."""

    model_config = example(
        id="aud_019ab5f0c1d27e3f8a4b5c6d7e8f9a0d",
        created_at="2026-11-23T12:00:00Z",
        account_id="acc_019ab5f0c1d27e3f8a4b5c6d7e8f9a0b",
        key_id="key_019ab5f0c1d27e3f8a4b5c6d7e8f9a0c",
        user_id=None,
        subject_id=None,
        action="withdraw_dataset",
        object="ds_019ab5f0c1d27e3f8a4b5c6d7e8f9a0b",
        address="192.0.2.7",
        request_id="01d0f3a2b4c54f6e8a9b0c1d2e3f4a5b",
        detail={},
        note=None,
    )

    id: AuditId
    created_at: datetime
    account_id: AccountId | None
    key_id: KeyId | None
    user_id: UserId | None
    subject_id: AccountId | None
    action: str
    object: str | None
    address: str | None
    request_id: str | None
    detail: dict[str, Any]
    note: str | None
