"""Arrow without pandas: Arrow imports it at its first array, half a second of a process that never uses it.

Where it is looked for once and not found, Arrow goes on without it for good; others can import it afterwards.
"""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


class _Nowhere(MetaPathFinder):
    """Finds pandas nowhere."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002 - the interface's
        target: ModuleType | None = None,  # noqa: ARG002 - the interface's
    ) -> ModuleSpec | None:
        if fullname == "pandas":
            raise ModuleNotFoundError(fullname)
        return None


def start_without_pandas() -> None:
    """Have Arrow look for pandas now, in vain; of no effect where somebody imported it already."""
    import pyarrow as pa

    nowhere = _Nowhere()
    sys.meta_path.insert(0, nowhere)
    try:
        pa.array([1.0]).to_numpy()
    finally:
        sys.meta_path.remove(nowhere)
