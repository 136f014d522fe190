"""The seal of a result file: one spelling of its bytes, a Merkle root over its worths, a digest over everything in it.

The digest shows what was changed after it was written down elsewhere (a certificate, a message); who changes a file can
seal it again, which is why ``cherish verify`` also computes again what the file shows. The root lets one worth be shown
to belong to a result without showing the others. Pure.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from contract.document import canonical_json, digest_of
from contract.merkle import merkle_root

WORTHS_ROOT, DIGEST = "worths_root", "digest"
SEAL = (WORTHS_ROOT, DIGEST)


def worths_root(worths: Iterable[Mapping[str, Any]]) -> str:
    """The Merkle root over worths as plain JSON, in the order of the result."""
    return merkle_root([canonical_json(dict(row)) for row in worths])


def sealed(document: Mapping[str, Any]) -> dict[str, Any]:
    """A result as plain JSON with its seal, made anew."""
    plain = json.loads(canonical_json({name: value for name, value in document.items() if name not in SEAL}))
    ordered = {name: plain[name] for name in document if name not in SEAL}
    rooted = {**ordered, WORTHS_ROOT: worths_root(ordered["worths"])}
    return {**rooted, DIGEST: digest_of(rooted)}


def spelled(document: Mapping[str, Any]) -> bytes:
    """The one way in which a sealed result is written to a file: members sorted, indented by one, as UTF-8."""
    text = json.dumps(document, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False)
    return text.encode() + b"\n"


def seal_fault(content: bytes) -> str | None:
    """What is wrong with the bytes of a result file that JSON can read; None where its seal is whole."""
    document = json.loads(content)
    if not isinstance(document, dict) or any(name not in document for name in SEAL):
        return "it has no seal (worths_root and digest); write it again with `cherish value --json`"
    again = sealed(document)
    for name in SEAL:
        if document[name] != again[name]:
            return f"its {name} is {document[name]}, that of what it holds {again[name]}: it was changed after writing"
    if spelled(document) != content:
        return "it is not spelled as it is written (a member twice, another order or other spaces): it was edited"
    return None
