"""What whoever runs the service has installed beside it: metrics, learners and file formats of other packages.

A package names them by entry point under ``cherish.metrics``, ``cherish.learners`` and ``cherish.readers``; what is
installed where the service and its workers run is there, and nothing that a tenant sends is ever among it. All
processes of a deployment need the same packages. A name is for good: worths are kept by it, so what computes other
numbers is given another name.
"""

from importlib.metadata import entry_points
from typing import TypeVar

from contract.errors import InvalidProblem

METRICS, LEARNERS, READERS = "cherish.metrics", "cherish.learners", "cherish.readers"
T = TypeVar("T")


def installed(group: str, kind: type[T]) -> list[T]:
    """What packages name under a group, by name; raises InvalidProblem naming the package whose entry is wrong."""
    extensions: list[T] = []
    for entry in sorted(entry_points(group=group), key=lambda each: each.name):
        package = entry.dist.name if entry.dist is not None else entry.value
        try:
            loaded = entry.load()
        except (ImportError, AttributeError) as broken:
            raise InvalidProblem(f"{group} of package {package}: {entry.value} cannot be loaded ({broken})") from broken
        if not isinstance(loaded, kind):
            what = f"{type(loaded).__name__}, not an instance of {kind.__name__}"
            raise InvalidProblem(f"{group} of package {package}: {entry.value} is a {what}")
        if getattr(loaded, "name", None) != entry.name:
            own = getattr(loaded, "name", None)
            raise InvalidProblem(f"{group} of package {package}: entry {entry.name!r} calls itself {own!r}; name it so")
        extensions.append(loaded)
    return extensions


def refuse_taken(group: str, name: str, taken: object) -> None:
    """Raises InvalidProblem where the name of an installed thing is one that there is already."""
    if name in taken:  # type: ignore[operator]  # a mapping or a set of names
        raise InvalidProblem(f"{group}: {name!r} is the name of another one; a package's own has a name of its own")
