"""What a model folder says of its model: its family, its sizes, and what one pass through it takes.

The sizes of each family are a dataclass of its own (``bert``, ``vision_transformer``, ``resnet``, ``decoder``); with a
checkpoint they are stored as plain JSON, which ``read_sizes`` makes typed again.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, TypeVar

from pydantic import Field

from contract.document import Document

Shapes = dict[str, tuple[int, ...]]
T = TypeVar("T")


class TensorFacts(Document):
    """One array of a safetensors file: its type of number, by safetensors' name, and its shape."""

    dtype: str
    shape: tuple[int, ...]


class ModelFacts(Document):
    """A frozen model, or an adapter (family "lora", whose sizes are ranks and alphas).

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


def read_sizes(kind: Callable[..., T], stored: Mapping[str, Any]) -> T:
    """Sizes of a kind from the plain JSON that is stored with a checkpoint; what came later has its default."""
    names = [field.name for field in fields(kind) if field.name in stored]  # type: ignore[arg-type]  # a dataclass each
    return kind(**{name: tuple(stored[name]) if isinstance(stored[name], list) else stored[name] for name in names})
