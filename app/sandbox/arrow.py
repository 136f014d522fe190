"""Arrow without pandas: Arrow imports it at its first array, half a second of a process that never uses it.

Where it is looked for once and not found, Arrow goes on without it for good; others can import it afterwards.
"""

import sys


class _Nowhere:
    """Finds pandas nowhere, and leaves other modules to others."""

    def find_spec(self, fullname: str, _path: object, _target: object = None, /) -> None:
        if fullname == "pandas":
            raise ModuleNotFoundError(fullname)


def start_without_pandas() -> None:
    """Have Arrow look for pandas now, in vain; of no effect where somebody imported it already."""
    import pyarrow as pa

    nowhere = _Nowhere()
    sys.meta_path.insert(0, nowhere)
    try:
        pa.array([1.0]).to_numpy()
    finally:
        sys.meta_path.remove(nowhere)
