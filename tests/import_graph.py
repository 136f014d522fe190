"""Which module imports what, read from the source: also inside functions, and also from other distributions.

Nothing is imported to find that out. What is imported by a name in a string is not seen; ``tests/test_walls.py`` says
where that may be done.
"""

import ast
import graphlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import resolve_name
from pathlib import Path


@dataclass(frozen=True)
class Import:
    """An imported module, or a name in one, dotted. ``lazy``: inside a function; ``typing``: for annotations only."""

    name: str
    line: int
    lazy: bool
    typing: bool


def modules(root: Path, packages: Iterable[str]) -> dict[str, Path]:
    """The file of each module of the packages (dotted names) that lie in ``root``; raises ValueError for none."""
    files: dict[str, Path] = {}
    for package in packages:
        found = sorted((root / package.replace(".", "/")).rglob("*.py"))
        if not found:
            raise ValueError(f"package {package} has no module in {root}; name one that is there")
        for path in found:
            steps = path.relative_to(root).with_suffix("").parts
            files[".".join(steps[:-1] if steps[-1] == "__init__" else steps)] = path
    return files


def imports_of(module: str, path: Path) -> list[Import]:
    """What a module imports; of ``from a import b`` both may be meant, so it is ``a.b``."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    return list(_imports(ast.parse(path.read_text()), package, lazy=False, typing=False))


def _imports(node: ast.AST, package: str, *, lazy: bool, typing: bool) -> Iterator[Import]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield Import(alias.name, node.lineno, lazy, typing)
    elif isinstance(node, ast.ImportFrom):
        base = resolve_name("." * node.level + (node.module or ""), package)
        for alias in node.names:
            yield Import(f"{base}.{alias.name}", node.lineno, lazy, typing)
    elif isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
        for child in node.body:
            yield from _imports(child, package, lazy=lazy, typing=True)
        for child in node.orelse:
            yield from _imports(child, package, lazy=lazy, typing=typing)
    else:
        inside = lazy or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            yield from _imports(child, package, lazy=inside, typing=typing)


def graph(files: Mapping[str, Path]) -> dict[str, set[str]]:
    """Module -> the modules among ``files`` whose code it needs when it runs, lazily or not."""
    edges: dict[str, set[str]] = {module: set() for module in files}
    for module, path in files.items():
        for each in imports_of(module, path):
            imported = _module_of(each.name, files)
            if imported is not None and imported != module and not each.typing:
                edges[module].add(imported)
    return edges


def circle(edges: Mapping[str, Iterable[str]]) -> list[str] | None:
    """Modules that import each other in a circle, the first one named again at the end; None where there is none."""
    try:
        graphlib.TopologicalSorter(edges).prepare()
    except graphlib.CycleError as error:
        # the sorter names each node's predecessor, so who imports stands after what it imports
        return list(reversed(error.args[1]))
    return None


def _module_of(name: str, files: Mapping[str, Path]) -> str | None:
    """The module that an imported name is, or is in; None where it is none of these."""
    if name in files:
        return name
    parent = name.rpartition(".")[0]
    return parent if parent in files else None
