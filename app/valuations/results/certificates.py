"""A valuation's certificate: every digest, the order, the audit, values and amounts, signed with Ed25519. Pure.

The signature is over the canonical JSON (sorted keys, no spaces, UTF-8) of ``certificate``. It is deterministic, so the
same job always has the same certificate and none needs to be stored. It names data by digests and players by ids and
holds no row, no model and no display name: it stays true, and harmless, when data is withdrawn.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import BaseModel

from app.http.ids import public_id
from app.settings import Settings
from app.valuations.results.payout_schemas import Payouts
from app.valuations.results.schemas import Values
from contract.document import canonical_json

FORMAT = "cherish-certificate-2"
# of jobs that were settled before shares by value and as paid were told apart: their certificates stay what they were
FORMAT_BEFORE = "cherish-certificate-1"
_SINCE_FORMAT_2 = {"paid_value", "paid_value_ci", "paid_share", "reason"}
_SINCE_FORECASTS = {"ruled_by", "test_rows", "only_test_rows", "forecasts"}
_INTERVALS = {"bias_ci", "rmse_ci", "rvr_ci"}
_DERIVED_KEY = b"cherish-certificate-1"


def signing_key(settings: Settings) -> Ed25519PrivateKey:
    """The deployment's key: the seed in ``certificate_key`` (base64, 32 bytes), else one derived from the secret."""
    if settings.certificate_key is not None:
        return Ed25519PrivateKey.from_private_bytes(base64.b64decode(settings.certificate_key.get_secret_value()))
    return _derived_key(settings)


def _derived_key(settings: Settings) -> Ed25519PrivateKey:
    secret = settings.signing_secret.get_secret_value().encode()
    return Ed25519PrivateKey.from_private_bytes(hmac.digest(secret, _DERIVED_KEY, "sha256"))


def public_key(settings: Settings) -> str:
    """The key that certificates are checked with, base64 of its 32 bytes."""
    return _public(signing_key(settings))


def earlier_keys(settings: Settings) -> list[str]:
    """Keys with which this deployment may have signed before, base64: the derived one, and those that it is told of."""
    derived = [] if settings.certificate_key is None else [_public(_derived_key(settings))]
    return [*settings.earlier_certificate_keys, *derived]


def _public(key: Ed25519PrivateKey) -> str:
    return base64.b64encode(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()


def content(values: Values, payouts: Payouts, spec: Mapping[str, Any], finished_at: str) -> dict[str, Any]:
    """What is certified, as plain JSON."""
    before = any(player.paid_share is None for player in values.players)
    hidden = {"provider"} | (_SINCE_FORMAT_2 if before else set())
    players = []
    for player, line in zip(values.players, payouts.payouts, strict=True):
        # results from before they were told apart have no parts, and certificates stay what they were
        unsaid = ({"parts"} if player.parts is None else set()) | (set() if player.at_home else {"at_home"})
        unsaid |= {"opened"} if player.opened is None else set()
        valued = player.model_dump(mode="json", exclude=hidden | unsaid)
        void = {} if line.voided is None else {"voided": line.voided}
        players.append(valued | {"released": line.released, "held": line.held, "accrued": line.accrued} | void)
    return {
        "format": FORMAT_BEFORE if before else FORMAT,
        "valuation": public_id("val", values.valuation_id),
        "finished_at": finished_at,
        "spec": dict(spec),
        "digests": dict(values.digests) | {"plan": payouts.plan_digest},
        "empty_worth": values.empty_worth,
        "full_worth": values.full_worth,
        "estimator": values.estimator,
        "source": values.source,
        "stopped_by": values.stopped_by,
        "evaluations": values.evaluations,
        # what an audit does not say is left out: certificates from before it had intervals stay what they were
        "audit": {name: value for name, value in values.audit.items() if value is not None or name not in _INTERVALS},
        "players": players,
        "money": {
            name: getattr(payouts, name) for name in ("pool", "currency", "fee", "compute", "refunded", "performance")
        }
        | {"policy": payouts.policy.value, "terms": payouts.terms}
        | ({} if before else payouts.model_dump(include={"divided", "nobody_paid", "explanation"})),
        # a certificate from before there were checks stays what it was
        **({} if values.tops_up is None else {"tops_up": public_id("val", values.tops_up)}),
        **({} if values.chance is None else {"chance": _without_none(values.chance, "within")}),
        **({} if values.late_test is None else {"late_test": values.late_test.model_dump(mode="json")}),
        **({} if values.test_lot is None else {"test_lot": values.test_lot.model_dump(mode="json")}),
        **({} if values.checked is None else {"checked": values.checked.model_dump()}),
        **({} if values.evidence is None else {"evidence": values.evidence.model_dump()}),
        **({} if before else values.model_dump(mode="json", include={"gain"}) | {"precision": _precision(values)}),
    }


def _precision(values: Values) -> dict[str, Any] | None:
    """What was reached; certificates from before there were forecasts stay what they were."""
    precision = values.precision
    if precision is None:
        return None
    return precision.model_dump(mode="json", exclude=_SINCE_FORECASTS if precision.ruled_by is None else None)


def _without_none(answer: BaseModel, name: str) -> dict[str, Any]:
    """An answer without a member that says nothing: certificates from before there was one stay what they were."""
    return answer.model_dump(mode="json", exclude={name} if getattr(answer, name) is None else None)


def sign(settings: Settings, certified: Mapping[str, Any]) -> dict[str, Any]:
    """The certificate with its digest and signature."""
    text = canonical_json(dict(certified))
    return {
        "certificate": dict(certified),
        "digest": hashlib.sha256(text).hexdigest(),
        "algorithm": "Ed25519",
        "public_key": public_key(settings),
        "signature": base64.b64encode(signing_key(settings).sign(text)).decode(),
    }


class _Signed(BaseModel):
    """A certificate with its signature, as far as a check reads it; pydantic's refusal is a ValueError."""

    certificate: dict[str, Any]
    signature: str


def is_genuine(signed: Mapping[str, Any], key: str) -> bool:
    """Whether ``key`` (base64) signed exactly this certificate. The key that the file itself names is not trusted."""
    try:
        read = _Signed.model_validate(signed)
        verifier = Ed25519PublicKey.from_public_bytes(base64.b64decode(key, validate=True))
        verifier.verify(base64.b64decode(read.signature, validate=True), canonical_json(read.certificate))
    except (InvalidSignature, TypeError, ValueError):
        return False
    return True
