"""Refuses packages that an advisory names: the gate reads a folder of OSV documents, and asks nobody.

``python tools/advisories.py FOLDER`` (make advisories) compares requirements.txt and requirements-torch.txt with the
advisories for PyPI in the folder's JSON files (https://ossf.github.io/osv-schema), such as an unpacked export. Without
a folder it says that nothing was compared. It ends with 1 where a package is affected, and with 2 where the folder
holds no advisory, since an empty list finds nothing. Advisories that are accepted are named, each with a reason, in
tools/accepted_advisories.txt.
"""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from packaging.version import InvalidVersion, Version

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tools.requirements import Pinned, normal, read_requirements

_ACCEPTED = ROOT / "tools" / "accepted_advisories.txt"


def affected(package: Pinned, advisory: dict[str, Any]) -> bool:
    """Whether an advisory is about this version of this package."""
    for entry in advisory.get("affected", ()):
        about = entry.get("package", {})
        if about.get("ecosystem") != "PyPI" or normal(str(about.get("name", ""))) != package.name:
            continue
        if package.version in entry.get("versions", ()):
            return True
        if any(_within(package.version, each) for each in entry.get("ranges", ()) if each.get("type") == "ECOSYSTEM"):
            return True
    return False


def _within(version: str, given: dict[str, Any]) -> bool:
    """Whether a version lies in a range: after the last event that is not after it, it was introduced and not fixed."""
    inside, ours = False, _version(version)
    events = [(_version(text), kind) for event in given.get("events", ()) for kind, text in event.items()]
    for moment, kind in sorted(events):
        if kind == "introduced" and moment <= ours:
            inside = True
        elif (kind == "fixed" and moment <= ours) or (kind == "last_affected" and moment < ours):
            inside = False
    return inside


def _version(text: str) -> Version:
    return Version("0.dev0") if text == "0" else Version(text)


def read_advisories(folder: Path) -> Iterator[dict[str, Any]]:
    """The advisories that are not withdrawn."""
    for path in sorted(folder.rglob("*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(document, dict) and "affected" in document and not document.get("withdrawn"):
            yield document


def accepted(path: Path = _ACCEPTED) -> set[str]:
    """The ids of advisories that were looked at: one a line, with a reason after it."""
    lines = path.read_text().splitlines() if path.exists() else []
    return {line.split()[0] for line in lines if line.strip() and not line.startswith("#")}


def check(packages: list[Pinned], folder: Path, known: set[str]) -> tuple[int, list[str]]:
    """How many advisories were read, and a sentence for each package that one is about."""
    found, count = [], 0
    for advisory in read_advisories(folder):
        count += 1
        if known & {advisory["id"], *advisory.get("aliases", ())}:
            continue
        for package in packages:
            try:
                hit = affected(package, advisory)
            except InvalidVersion as error:
                hit, advisory = True, advisory | {"summary": f"cannot be compared: {error}"}
            if hit:
                found.append(
                    f"{package.name} {package.version}: {advisory['id']} {advisory.get('summary', '')}".strip()
                )
    return count, found


def main() -> int:
    folder = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("CHERISH_ADVISORIES", "")
    if not folder:
        print("no advisories were compared: name a folder of OSV documents (CHERISH_ADVISORIES)")  # noqa: T201
        return 0
    packages = [
        each for name in ("requirements.txt", "requirements-torch.txt") for each in read_requirements(ROOT / name)
    ]
    count, found = check(packages, Path(folder), accepted())
    print("\n".join([*found, f"{count} advisories compared with {len(packages)} packages, {len(found)} apply"]))  # noqa: T201
    if not count:
        return 2
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
