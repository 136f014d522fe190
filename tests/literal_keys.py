"""How often a tree's code reads a mapping by a key that is written out, which says what the mapping holds in no type.

Counted are ``x["key"]`` and ``x.get("key")``, ``.pop``, ``.setdefault`` with a key that is a string in the source. Not
counted are annotations (``Literal["key"]``), paths (``router.get("/jobs")``: a key does not begin with a slash) and
``router``'s own methods, and HTTP headers (``headers`` or ``x.headers``), which have names and no other type.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

_METHODS = ("get", "pop", "setdefault")


def literal_keys(source: str) -> list[tuple[int, str]]:
    """(line, key) of each such access in the source of a module."""
    tree = ast.parse(source)
    annotations = {id(node) for part in _annotations(tree) for node in ast.walk(part)}
    keys = []
    for node in ast.walk(tree):
        key = None if id(node) in annotations else _key(node)
        if key is not None:
            keys.append((getattr(node, "lineno", 0), key))
    return sorted(keys)


def literal_keys_below(*folders: Path) -> dict[Path, int]:
    """How many each file below the folders has; files with none are left out."""
    counts = {path: len(literal_keys(path.read_text())) for folder in folders for path in sorted(folder.rglob("*.py"))}
    return {path: count for path, count in counts.items() if count}


def _key(node: ast.AST) -> str | None:
    if isinstance(node, ast.Subscript):
        return None if _is_headers(node.value) else _text(node.slice)
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or not node.args:
        return None
    if node.func.attr not in _METHODS or ast.unparse(node.func.value) == "router" or _is_headers(node.func.value):
        return None
    key = _text(node.args[0])
    return None if key is None or key.startswith("/") else key


def _is_headers(node: ast.expr) -> bool:
    return ast.unparse(node).rpartition(".")[2] == "headers"


def _text(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _annotations(tree: ast.Module) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign | ast.arg) and node.annotation is not None:
            yield node.annotation
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns is not None:
            yield node.returns
