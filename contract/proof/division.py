"""What a job's pool was divided by, beside its values: whose part is whose, the agreed terms, what devices cost.

With a result and the order's payout terms it gives the payout plan again, to the cent. A reserve price is its owner's
secret: the document that a buyer gets (``masked``) says only who left the deal for it.
"""

from collections.abc import Collection

from contract.document import Document
from contract.orders.job import DeviceTimeTerms, PayeePart


class DividedPayee(Document):
    """One payee: its key in the plan, its provider, what it brought, its part of a player, its reserve (minor
    units)."""

    position: int
    player_id: str
    provider_id: str
    datasets: tuple[str, ...]
    digest: str
    rows: int
    part: PayeePart
    reserve: int


class Division(Document):
    """The inputs of a payout plan; ``metered`` is what devices cost in minor units, ``tops_up`` the job that pays,
    ``explores`` an exploration, which pays nobody."""

    valuation: str
    currency: str
    pool_minor: int
    fee_basis_points: int
    compute: DeviceTimeTerms | None
    metered: int
    edition: int
    reserves: bool
    tops_up: str | None
    explores: bool = False
    payees: tuple[DividedPayee, ...]

    def masked(self, left: Collection[int]) -> "Division":
        """The same division with reserves that nobody can read: more than the pool for the payees at these positions,
        who left the deal for their reserve, nothing for the others."""
        payees = tuple(
            payee.model_copy(update={"reserve": self.pool_minor + 1 if payee.position in left else 0})
            for payee in self.payees
        )
        return self.model_copy(update={"payees": payees})
