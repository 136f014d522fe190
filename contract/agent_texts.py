"""What an agent registers of documents that stay with their owner: on which base models it can train, and how many
blocks its documents make for each. No text is part of it.

A base is named by the digest of its packed folder (``contract.architectures.packed_folder``), which the owner keeps a
copy of. Documents are cut into blocks of some tokens (``contract.rows.token_blocks``); how many there are is what a
model's weight in a mixture, and the number of rows in a result, follow from, so it is told for each length of block.
"""

from typing import Annotated

from pydantic import Field, model_validator

from contract.document import Document

# tokens of a block, by which the blocks of documents are counted
CONTEXTS = (8, 16, 32, 64, 128, 256, 512, 1024, 2048)


class RegisteredBase(Document):
    """A base that the agent keeps: its digest, and how many blocks the documents make, by the tokens of a block."""

    digest: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    blocks: dict[int, Annotated[int, Field(ge=1, le=10**12)]]

    @model_validator(mode="after")
    def _known_lengths(self) -> "RegisteredBase":
        if not set(self.blocks) <= set(CONTEXTS):
            raise ValueError(f"blocks are counted by {', '.join(map(str, CONTEXTS))} tokens")
        return self


class RegisteredTexts(Document):
    """Documents: the bases that models of them can be trained on."""

    bases: Annotated[tuple[RegisteredBase, ...], Field(min_length=1, max_length=20)]

    def blocks(self, base: str, context: int) -> int | None:
        """How many blocks the documents make; None where the agent has no such base, or counts no such blocks."""
        found = next((each for each in self.bases if each.digest == base), None)
        return None if found is None else found.blocks.get(context)
