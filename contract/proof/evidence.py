"""What a job's values rest on, as its certificate commits to it: worths and models' answers under one Merkle root.

``Evidence`` is the whole of it, for the buyer: from it the valuation is repeated (``cherish verify``). Its leaves are
one for each worth and one for each file of answers. A worth's leaf holds a commitment instead of the number, SHA-256 of
a salt and the number, so that a provider can be shown that its coalitions were counted (``Inclusion``) and learns
neither a worth nor whose data is in what. Pure; canonical JSON, hex.
"""

import hashlib
import hmac
from collections.abc import Iterator, Sequence
from typing import Literal

from pydantic import model_validator

from contract.document import Document, canonical_json
from contract.merkle import MerkleTree, root_by
from contract.metrics import Predicts
from contract.orders.job import SourceCost


class WorthLeaf(Document):
    """One worth: which source, which players are kept (bit i of byte j is player 8 j + i), and what commits to it."""

    kind: Literal["worth"] = "worth"
    source: str
    coalition: str
    commitment: str


class AnswersLeaf(Document):
    """One file of models' answers on the test units, by its SHA-256, in the order of its coalitions."""

    kind: Literal["answers"] = "answers"
    source: str
    coalitions: tuple[str, ...]
    digest: str


class EvidencePlayer(Document):
    """Who plays: a player of the game, or a shard of the ``owner`` whose rows it is cut from."""

    name: str
    rows: int
    digest: str
    owner: str = ""


class SourceWorths(Document):
    """The worths of one source that a result rests on, by coalition, with the device seconds each took."""

    source: str
    coalitions: tuple[str, ...]
    worths: tuple[float, ...]
    seconds: tuple[float, ...]

    @model_validator(mode="after")
    def _alike(self) -> "SourceWorths":
        if not len(self.coalitions) == len(self.worths) == len(self.seconds):
            raise ValueError(f"{self.source}: as many worths and seconds as coalitions")
        return self


class Evidence(Document):
    """All that a valuation is repeated from. ``players`` play, ``owners`` are paid where shards play; ``costs`` are in
    full retrainings of ``unit_seconds``, cheapest source first; ``moved`` are sources whose worths are moved to where
    everybody's is known. ``answers_kept``: models' answers were kept, and are files of their own."""

    format: Literal["cherish-evidence-1"] = "cherish-evidence-1"
    game: str
    salt: str
    players: tuple[EvidencePlayer, ...]
    owners: tuple[EvidencePlayer, ...] = ()
    costs: tuple[SourceCost, ...]
    unit_seconds: float | None
    metric: str
    predicts: Predicts
    partial: bool
    moved: tuple[str, ...]
    worths: tuple[SourceWorths, ...]
    answers_kept: bool
    answers: tuple[AnswersLeaf, ...]

    @property
    def content(self) -> bytes:
        """The one spelling of the document, of which its digest is taken."""
        return canonical_json(self.plain())

    def leaves(self) -> Iterator[WorthLeaf | AnswersLeaf]:
        """The leaves in the order of the tree: worths by source and coalition as they are listed, then answers."""
        for part in self.worths:
            for coalition, worth, seconds in zip(part.coalitions, part.worths, part.seconds, strict=True):
                sealed = commitment(self.salt, part.source, coalition, worth, seconds)
                yield WorthLeaf(source=part.source, coalition=coalition, commitment=sealed)
        yield from self.answers

    def tree(self) -> MerkleTree:
        return MerkleTree([leaf_bytes(leaf) for leaf in self.leaves()])

    def seal(self) -> "EvidenceSeal":
        leaves = list(self.leaves())
        tree = MerkleTree([leaf_bytes(leaf) for leaf in leaves])
        return EvidenceSeal(root=tree.root, leaves=len(leaves), document=hashlib.sha256(self.content).hexdigest())


class EvidenceSeal(Document):
    """What a result and its certificate say of the evidence: the Merkle root, how many leaves it is over, and the
    SHA-256 of the whole document."""

    root: str
    leaves: int
    document: str


class InclusionProof(Document):
    """That one leaf is under the root: its place, and the hashes beside its way up."""

    index: int
    leaf: WorthLeaf
    path: tuple[str, ...]


def leaf_bytes(leaf: WorthLeaf | AnswersLeaf) -> bytes:
    """What is hashed of a leaf: its canonical JSON, whose ``kind`` tells the two apart."""
    return canonical_json(leaf.plain())


def commitment(salt: str, source: str, coalition: str, worth: float, seconds: float) -> str:
    """SHA-256 over a salt of this leaf alone and the numbers; who lacks the salt cannot try numbers out."""
    own = hmac.digest(bytes.fromhex(salt), canonical_json([source, coalition]), "sha256")
    return hashlib.sha256(own + canonical_json([float(worth), float(seconds)])).hexdigest()


def proofs(evidence: Evidence, players: Sequence[int]) -> list[tuple[int, WorthLeaf]]:
    """The worths of coalitions that hold one of these players (positions among those that play), with their places."""
    return [
        (index, leaf)
        for index, leaf in enumerate(evidence.leaves())
        if isinstance(leaf, WorthLeaf) and any(holds(leaf.coalition, player) for player in players)
    ]


def holds(coalition: str, player: int) -> bool:
    """Whether a packed coalition keeps the player at this position."""
    packed = bytes.fromhex(coalition)
    return player // 8 < len(packed) and bool(packed[player // 8] >> player % 8 & 1)


def proven(proof: InclusionProof, root: str, leaves: int) -> bool:
    """Whether a proof leads to this root."""
    return root_by(leaf_bytes(proof.leaf), proof.index, leaves, proof.path) == root
