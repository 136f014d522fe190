"""Licences of published datasets: an SPDX expression, and terms beside it in ODRL's words. Pure.

A licence says what the bytes are given for: what a buyer may have (``grants``), ``purposes`` and ``territories`` (None:
any), ``expires_at`` (None: never), and whether each job within these terms waits for the provider's ``approval``.
``problems`` is asked when a job is posted. Nothing here reads a licence's text.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from pydantic import TypeAdapter

from app.errors import InvalidInput
from app.payouts import money
from contract.orders.asking import Asking
from contract.orders.grants import DATA_UPLOADED, ODRL_ACTIONS, ODRL_PROFILE, TEST_UPLOADED, Approval, Grant

_REFERENCE = re.compile(r"LicenseRef-[A-Za-z0-9.-]+")
_SPDX_URL = "https://spdx.org/licenses/"
_CURRENCIES = "http://publications.europa.eu/resource/authority/currency/"


@dataclass(frozen=True)
class Licence:
    """What a provider allows. ``spdx`` is a canonical SPDX expression, or a ``LicenseRef-`` of the provider's own.
    Licences from before there were grants grant values alone. ``test_first``: only jobs whose test set was uploaded
    before the data."""

    spdx: str
    purposes: tuple[str, ...] | None = None
    territories: tuple[str, ...] | None = None
    expires_at: datetime | None = None
    grants: tuple[Grant, ...] = (Grant.VALUE,)
    approval: Approval = Approval.AUTOMATIC
    test_first: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        expires = None if self.expires_at is None else self.expires_at.isoformat()
        plain = {"expires_at": expires, "grants": [grant.value for grant in self.grants]}
        return asdict(self) | plain | {"approval": self.approval.value}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Licence":
        """The licence that ``to_json`` wrote."""
        licence: Licence = _STORED.validate_python(data)
        return licence

    def problems(self, *, purpose: str | None, territory: str | None, at: datetime) -> list[str]:
        """Why a job may not use the data, as ends of sentences that begin with the dataset; empty where it may."""
        faults = []
        if self.expires_at is not None and self.expires_at <= at:
            faults.append(f"is licensed until {self.expires_at.isoformat()}, which has passed; leave it out")
        faults += _outside("purpose", purpose, self.purposes)
        faults += _outside("territory", territory, self.territories)
        return faults

    def to_odrl(self, target: str, asking: Asking | None = None) -> dict[str, Any]:
        """The licence as an ODRL 2.2 offer about ``target`` (an IRI), in JSON-LD: one permission for each grant; that
        of the rows has the duty to pay what is asked for them."""
        rules = (
            ("purpose", self.purposes),
            ("spatial", self.territories),
            ("dateTime", self.expires_at.isoformat() if self.expires_at else None),
        )
        constraints = [
            {
                "leftOperand": left,
                "operator": "lt" if left == "dateTime" else "isAnyOf",
                "rightOperand": list(right) if isinstance(right, tuple) else right,
            }
            for left, right in rules
            if right is not None
        ]
        if self.test_first:
            constraints.append({"leftOperand": TEST_UPLOADED, "operator": "lt", "rightOperand": DATA_UPLOADED})
        limits: dict[str, Any] = {"constraint": constraints} if constraints else {}
        if self.approval is Approval.BY_REQUEST:
            limits["duty"] = [{"action": "obtainConsent"}]
        return {
            "@context": ["http://www.w3.org/ns/odrl.jsonld", {"cherish": f"{ODRL_PROFILE}:"}],
            "@type": "Offer",
            "uid": f"{target}#licence",
            "profile": ODRL_PROFILE,
            "permission": [
                {"target": target, "action": ODRL_ACTIONS[grant]} | limits | _payment(grant, asking, limits)
                for grant in self.grants
            ],
        }


_STORED = TypeAdapter(Licence)


def _payment(grant: Grant, asking: Asking | None, limits: Mapping[str, Any]) -> dict[str, Any]:
    """The duties of a permission whose use has a price of its own, those of ``limits`` among them; empty for others."""
    if grant is not Grant.DATA or asking is None or asking.data is None:
        return {}
    amount = {"@value": money.plain(asking.data, asking.currency), "@type": "xsd:decimal"}
    price = {
        "leftOperand": "payAmount",
        "operator": "eq",
        "rightOperand": amount,
        "unit": f"{_CURRENCIES}{asking.currency}",
    }
    paid = {"action": {"rdf:value": {"@id": "odrl:compensate"}, "refinement": [price]}}
    return {"duty": [*limits.get("duty", []), paid]}


def late_test_problem(licence: Licence, *, late: bool) -> str | None:
    """Why a job whose test set is later than the data may not use it, as the end of a sentence; None where it may."""
    if not (licence.test_first and late):
        return None
    return (
        "is licensed for jobs whose test set was uploaded before it, and this one's was uploaded later; "
        "leave it out, or name an earlier test set"
    )


def canonical_spdx(expression: str) -> str:
    """The SPDX expression in its canonical spelling; raises InvalidInput for one that the SPDX list does not know."""
    text = expression.strip()
    if _REFERENCE.fullmatch(text):
        return text
    try:
        return str(canonicalize_license_expression(text))
    except InvalidLicenseExpression:
        raise InvalidInput(
            f"licence {expression[:80]!r} is no SPDX expression; give one such as CC-BY-4.0 or ODbL-1.0 (the ids are "
            f"at {_SPDX_URL}), or LicenseRef- and a name of your own"
        ) from None


def url_of(spdx: str) -> str:
    """Where the licence is described, or the expression itself where it is more than one id."""
    return f"{_SPDX_URL}{spdx}.html" if re.fullmatch(r"[A-Za-z0-9.+-]+", spdx) and "Ref-" not in spdx else spdx


def _outside(what: str, requested: str | None, allowed: Sequence[str] | None) -> list[str]:
    if allowed is None or requested in allowed:
        return []
    only = ", ".join(allowed)
    if requested is None:
        return [f"is licensed for {what} {only} only; state the job's `{what}`"]
    return [f"is licensed for {what} {only} only, not {requested}; leave it out"]
