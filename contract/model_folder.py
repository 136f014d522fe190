"""What a model folder says of its model: its family, its sizes, and what one pass through it takes."""

from typing import Any

from pydantic import Field

from contract.document import Document


class ModelFacts(Document):
    """A frozen model, or an adapter (family "lora", whose sizes are rank and alpha).

    ``width`` is that of a row of features, ``multiplications`` what one row (of text: one token) takes, ``files`` the
    folder's, by size in bytes.
    """

    family: str
    sizes: dict[str, Any]
    vocabulary: int = 0
    width: int = 0
    parameters: int = 0
    multiplications: float = 0.0
    tokenizer: str | None = None
    files: dict[str, int] = Field(default_factory=dict)

    @property
    def positions(self) -> int:
        """The most tokens that an encoder of texts takes."""
        return int(self.sizes["positions"])

    @property
    def side(self) -> int:
        """The side of the square that a backbone was trained on."""
        return int(self.sizes["size"])
