"""The file formats that datasets are sent in: those that are read here, and those of installed packages."""

import contract.metrics  # noqa: F401  a package's module may offer metrics too: they are listed first, in one order
from contract import plugins
from contract.errors import InvalidProblem
from contract.rows.installed_reader import InstalledReader

BUILT_IN = ("csv", "tsv", "parquet", "npz", "jsonl", "json", "xlsx", "text", "zip", "agent")
# by these bytes formats that are read here are known, and how a file is packed
_TAKEN = (b"PAR1", b"PK", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")
_SHORTEST = 3


def _checked(reader: InstalledReader) -> InstalledReader:
    plugins.refuse_taken(plugins.READERS, reader.name, BUILT_IN)
    if not reader.magics:
        raise InvalidProblem(f"{plugins.READERS}: {reader.name!r} names no first bytes that its files are known by")
    for magic in reader.magics:
        if len(magic) < _SHORTEST or any(magic.startswith(own) for own in _TAKEN):
            why = f"is shorter than {_SHORTEST} bytes" if len(magic) < _SHORTEST else "is another format's"
            raise InvalidProblem(f"{plugins.READERS}: {reader.name!r} is known by {magic!r}, which {why}; name others")
    return reader


INSTALLED: dict[str, InstalledReader] = {
    each.name: _checked(each) for each in plugins.installed(plugins.READERS, InstalledReader)
}


def known_by(head: bytes) -> InstalledReader | None:
    """The installed format that a file begins as; None where it does as none."""
    return next((each for each in INSTALLED.values() if head.startswith(each.magics)), None)
