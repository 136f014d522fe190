"""Public ids: what HTTP shows of a primary key, ``ds_`` and the UUID's 32 hex digits. The prefix says what it names.

Used as types in schemas and path parameters; a malformed id in a path is answered 404, in a body 422. Nothing is
looked up here.
"""

import re
import uuid
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

_HEX = re.compile(r"[0-9a-f]{32}")


def public_id(prefix: str, value: uuid.UUID) -> str:
    """``prefix`` and 32 hex digits."""
    return f"{prefix}_{value.hex}"


def parse_id(prefix: str, text: object) -> uuid.UUID:
    """The UUID of a public id; raises ValueError saying what one looks like. A UUID passes as it is."""
    if isinstance(text, uuid.UUID):
        return text
    head, _, digits = text.partition("_") if isinstance(text, str) else ("", "", "")
    if head != prefix or not _HEX.fullmatch(digits):
        raise ValueError(f"{text!r} is not an id of this kind; it starts with {prefix}_ and has 32 hex digits")
    return uuid.UUID(hex=digits)


def _example(prefix: str) -> str:
    return f"{prefix}_019ab5f0c1d27e3f8a4b5c6d7e8f9a0b"


def _schema(prefix: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": f"^{prefix}_[0-9a-f]{{32}}$", "examples": [_example(prefix)]})


AccountId = Annotated[
    uuid.UUID,
    BeforeValidator(lambda v: parse_id("acc", v)),
    PlainSerializer(lambda v: public_id("acc", v), return_type=str),
    _schema("acc"),
]
KeyId = Annotated[
    uuid.UUID,
    BeforeValidator(lambda v: parse_id("key", v)),
    PlainSerializer(lambda v: public_id("key", v), return_type=str),
    _schema("key"),
]
PasskeyId = Annotated[
    uuid.UUID,
    BeforeValidator(lambda v: parse_id("pk", v)),
    PlainSerializer(lambda v: public_id("pk", v), return_type=str),
    _schema("pk"),
]
SessionId = Annotated[
    uuid.UUID,
    BeforeValidator(lambda v: parse_id("ses", v)),
    PlainSerializer(lambda v: public_id("ses", v), return_type=str),
    _schema("ses"),
]
DatasetId = Annotated[
    uuid.UUID,
    BeforeValidator(lambda v: parse_id("ds", v)),
    PlainSerializer(lambda v: public_id("ds", v), return_type=str),
    _schema("ds"),
]
UploadId = Annotated[
    uuid.UUID,
    BeforeValidator(lambda v: parse_id("up", v)),
    PlainSerializer(lambda v: public_id("up", v), return_type=str),
    _schema("up"),
]
LinkId = Annotated[
    uuid.UUID,
    BeforeValidator(lambda v: parse_id("dl", v)),
    PlainSerializer(lambda v: public_id("dl", v), return_type=str),
    _schema("dl"),
]
AdId = Annotated[
    uuid.UUID,
    BeforeValidator(lambda v: parse_id("ad", v)),
    PlainSerializer(lambda v: public_id("ad", v), return_type=str),
    _schema("ad"),
]
StandingOrderId = Annotated[
    uuid.UUID,
    BeforeValidator(lambda v: parse_id("so", v)),
    PlainSerializer(lambda v: public_id("so", v), return_type=str),
    _schema("so"),
]
CheckpointId = Annotated[
    uuid.UUID,
    BeforeValidator(lambda v: parse_id("ck", v)),
    PlainSerializer(lambda v: public_id("ck", v), return_type=str),
    _schema("ck"),
]
ValuationId = Annotated[
    uuid.UUID,
    BeforeValidator(lambda v: parse_id("val", v)),
    PlainSerializer(lambda v: public_id("val", v), return_type=str),
    _schema("val"),
]
WebhookId = Annotated[
    uuid.UUID,
    BeforeValidator(lambda v: parse_id("wh", v)),
    PlainSerializer(lambda v: public_id("wh", v), return_type=str),
    _schema("wh"),
]
EventId = Annotated[
    uuid.UUID,
    BeforeValidator(lambda v: parse_id("evt", v)),
    PlainSerializer(lambda v: public_id("evt", v), return_type=str),
    _schema("evt"),
]
DeliveryId = Annotated[
    uuid.UUID,
    BeforeValidator(lambda v: parse_id("whd", v)),
    PlainSerializer(lambda v: public_id("whd", v), return_type=str),
    _schema("whd"),
]
UserId = Annotated[
    uuid.UUID,
    BeforeValidator(lambda v: parse_id("usr", v)),
    PlainSerializer(lambda v: public_id("usr", v), return_type=str),
    _schema("usr"),
]
AuditId = Annotated[
    uuid.UUID,
    BeforeValidator(lambda v: parse_id("aud", v)),
    PlainSerializer(lambda v: public_id("aud", v), return_type=str),
    _schema("aud"),
]
ExplorationId = Annotated[
    uuid.UUID,
    BeforeValidator(lambda v: parse_id("exp", v)),
    PlainSerializer(lambda v: public_id("exp", v), return_type=str),
    _schema("exp"),
]
ShardId = Annotated[
    uuid.UUID,
    BeforeValidator(lambda v: parse_id("sh", v)),
    PlainSerializer(lambda v: public_id("sh", v), return_type=str),
    _schema("sh"),
]
AgentQuestionId = Annotated[
    uuid.UUID,
    BeforeValidator(lambda v: parse_id("aq", v)),
    PlainSerializer(lambda v: public_id("aq", v), return_type=str),
    _schema("aq"),
]
UnlearningId = Annotated[
    uuid.UUID,
    BeforeValidator(lambda v: parse_id("ul", v)),
    PlainSerializer(lambda v: public_id("ul", v), return_type=str),
    _schema("ul"),
]
AttributionId = Annotated[
    uuid.UUID,
    BeforeValidator(lambda v: parse_id("att", v)),
    PlainSerializer(lambda v: public_id("att", v), return_type=str),
    _schema("att"),
]
