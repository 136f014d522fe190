"""Documents that cross between processes or are kept: JSON outside, typed inside. Unknown members are refused.

What is read back is validated, so a document that another version wrote is understood or refused, never half-read.
Members that came later have defaults, which say what documents from before them meant.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict


class Document(BaseModel):
    """The base of all documents."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    @classmethod
    def read(cls, plain: Mapping[str, Any]) -> Self:
        """The document that plain JSON says; raises ValueError (pydantic's) naming the member that is wrong."""
        return cls.model_validate(plain)

    def plain(self) -> dict[str, Any]:
        """The document as plain JSON values."""
        return self.model_dump(mode="json")


def canonical_json(value: Any) -> bytes:
    """One spelling for one value: sorted keys, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode()


def digest_of(value: Any) -> str:
    """Hex SHA-256 of a JSON value."""
    return hashlib.sha256(canonical_json(value)).hexdigest()
