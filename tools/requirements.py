"""Reads requirements.txt: each package that is installed, its version, and the hashes that its files may have."""

import re
from dataclasses import dataclass
from pathlib import Path

_PIN = re.compile(r"(?m)^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;]+)")


@dataclass(frozen=True)
class Pinned:
    """One package; ``name`` as the index compares names (PEP 503)."""

    name: str
    version: str
    hashes: tuple[str, ...]


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def read_requirements(path: Path) -> list[Pinned]:
    """The packages in the order of the file; raises ValueError for a line that is no pin with hashes."""
    packages = []
    for block in re.split(r"(?m)^(?=[^\s#])", path.read_text()):
        if not block.strip() or block.startswith("#"):
            continue
        pin, hashes = _PIN.match(block), re.findall(r"--hash=sha256:([0-9a-f]{64})", block)
        if pin is None or not hashes:
            raise ValueError(
                f"{path.name}: {block.splitlines()[0]!r} is no pinned package with hashes; run make hashes"
            )
        packages.append(Pinned(normal(pin[1]), pin[2], tuple(hashes)))
    return packages
