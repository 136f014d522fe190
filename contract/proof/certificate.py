"""What is read of a signed file: a certificate, or a provider's proofs. Members that nothing reads may be there too."""

from typing import Any

from pydantic import ConfigDict

from contract.document import Document
from contract.orders.lot import LotSeal
from contract.proof.evidence import EvidenceSeal, InclusionProof


class _Read(Document):
    model_config = ConfigDict(frozen=True, extra="ignore")


class CertifiedMoney(_Read):
    """Amounts as they are written, in ``currency``; those of the first format do not say what was ``divided``."""

    pool: str
    currency: str
    divided: str | None = None


class CertifiedPlayer(_Read):
    """The digest of a player's data, and whether its rows stayed with their owner."""

    digest: str
    at_home: bool = False


class CertifiedDigests(_Read):
    """Hex SHA-256 of the documents that a result rests on; the commitment to the test set's digest, and its salt."""

    game: str | None = None
    result: str | None = None
    plan: str | None = None
    test: str | None = None
    test_salt: str | None = None
    test_commitment: str | None = None


class CertifiedJob(_Read):
    """A certificate as far as it is checked; ``spec`` is the order as it is stored, ``checked`` how many worths were
    computed twice, ``test_lot`` the test rows by lot."""

    valuation: str
    finished_at: str
    spec: dict[str, Any]
    digests: CertifiedDigests
    players: tuple[CertifiedPlayer, ...]
    money: CertifiedMoney
    evidence: EvidenceSeal | None = None
    checked: dict[str, Any] | None = None
    test_lot: LotSeal | None = None


class ProofStatement(_Read):
    """What a provider's proofs are under: a root over so many ``leaves``, and its places and data among the players."""

    valuation: str
    root: str
    leaves: int
    seats: tuple[int, ...]
    digests: tuple[str, ...]


class SignedFile(_Read):
    """A file with a signature over its ``certificate``, or over the ``statement`` that its ``items`` are under."""

    signature: str
    public_key: str = ""
    certificate: dict[str, Any] | None = None
    statement: dict[str, Any] | None = None
    items: tuple[InclusionProof, ...] = ()
