"""A payment provider that behaves as Stripe documents: idempotency keys, signed and repeated events.

It lives in memory and moves nothing. Signatures are made here as Stripe documents them, apart from the code that
verifies them.
"""

import hashlib
import hmac
import itertools
import json
import uuid

from app.errors import Conflict
from app.http.ids import public_id
from app.payouts.providers import stripe_like
from app.payouts.providers.interface import EventKind, PaymentEvent, ProviderPayout


class FakeProvider:
    """See ``PaymentProvider``. ``event`` makes what the provider sends, ``receive`` reads it as the service does."""

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._numbers = itertools.count(1)
        self._payouts: dict[uuid.UUID, ProviderPayout] = {}

    def pay_out(self, *, withdrawal_id: uuid.UUID, amount: int, currency: str, destination: str) -> ProviderPayout:
        """The payout of a withdrawal: made at the first call, the same at every other."""
        known = self._payouts.get(withdrawal_id)
        if known is None:
            known = ProviderPayout(f"po_{next(self._numbers)}", amount, currency, destination, "pending")
            self._payouts[withdrawal_id] = known
        elif (known.amount, known.currency, known.destination) != (amount, currency, destination):
            raise Conflict(
                f"withdrawal {withdrawal_id} was paid out with other parameters; an idempotency key is for one request"
            )
        return known

    def receive(self, payload: bytes, signature: str, *, now: float) -> PaymentEvent | None:
        """The event in a body, once its signature is verified; None for kinds that do not matter here."""
        stripe_like.verify(payload, signature, self._secret, now)
        return stripe_like.read(payload)

    def event(
        self, kind: EventKind, subject: uuid.UUID, amount: int, currency: str, at: int, object_id: str | None = None
    ) -> tuple[bytes, str]:
        """An event's body and its signature header, as the provider would send them at unix time ``at``."""
        name, prefix = ("account", "acc") if kind is EventKind.DEPOSIT_SUCCEEDED else ("withdrawal", "wd")
        body = {
            "id": f"evt_{next(self._numbers)}",
            "type": kind.value,
            "data": {
                "object": {
                    "id": object_id or f"pi_{next(self._numbers)}",
                    "amount": amount,
                    "currency": currency.lower(),
                    "metadata": {name: public_id(prefix, subject)},
                }
            },
        }
        payload = json.dumps(body).encode()
        return payload, self.sign(payload, at)

    def sign(self, payload: bytes, at: int) -> str:
        """The signature header of ``payload`` sent at unix time ``at``: HMAC-SHA256 of ``<at>.<payload>``."""
        mac = hmac.new(self._secret.encode(), f"{at}.".encode() + payload, hashlib.sha256).hexdigest()
        return f"t={at},v1={mac}"
