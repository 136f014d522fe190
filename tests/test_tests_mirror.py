"""Every module that holds rules is imported by a test that states them; what is tested otherwise is of a few kinds.

Imports are read off the tests' syntax trees: a test that reaches a module only through HTTP, a command or another
module says nothing of that module's own rules.
"""

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("agent", "app", "worker", "contract", "cherish")
# a module's dotted name ends so -> how its kind is tested
NAMES = {
    "tables": "columns and no rules: migrations and every test on the real Postgres use them",
    "schemas": "shapes of bodies, tested over HTTP and against the API's document",
    "endpoints": "calls that hand on to a service, tested over HTTP",
    "repository": "SQL behind a service, tested through it on the real Postgres",
    "__main__": "a program, tested as a process of its own",
    "app.asgi": "what a server of its own is started by, in processes",
    "worker.tasks": "one line for each message: tests on real workers send them",
    "embedded.minder": "a script that runs without this package's other modules, tested as the process that it is",
}
# a module that imports this -> how its kind is tested
IMPORTS = {
    "typer": "a command, tested through the command line's runner",
    "app.web.routes.page_router": "pages, tested over HTTP and in a browser",
}
# a package whose modules stand behind one door, which is imported in their stead
DOORS = {
    "app.datasets.readers": "files are read through it alone, in each format",
    "contract.metrics": "a metric is asked for by name alone, and tests hold every one to the same rules",
}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def imports(path: Path) -> frozenset[str]:
    """All modules that a file imports, and all names that it takes from them, in dotted form."""
    found: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(found)


def holds_code(path: Path) -> bool:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return any(isinstance(node, kinds) for node in ast.walk(tree(path)))


@cache
def modules() -> dict[str, Path]:
    """Every module with functions or classes, by its dotted name."""
    paths = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in paths]
    return {name: path for name, path in zip(names, paths, strict=True) if holds_code(path)}


@cache
def imported_by_tests() -> frozenset[str]:
    return frozenset().union(*(imports(path) for path in (ROOT / "tests").rglob("*.py")))


def kind(name: str, path: Path) -> str | None:
    """How a module of this name is tested, where that is not by a test that imports it."""
    by_name = (why for ending, why in NAMES.items() if name.endswith(ending))
    by_import = (why for imported, why in IMPORTS.items() if imported in imports(path))
    by_door = (why for door, why in DOORS.items() if name.startswith(f"{door}.") and door in imported_by_tests())
    return next((why for kinds in (by_name, by_import, by_door) for why in kinds), None)


def test_each_module_that_holds_rules_is_imported_by_a_test_that_states_them() -> None:
    missing = [name for name, path in modules().items() if name not in imported_by_tests() and kind(name, path) is None]
    assert not missing, f"no test imports {', '.join(missing)}: add tests/<path>/test_<package>_<module>.py"


def test_most_modules_are_tested_by_themselves() -> None:
    found = modules()
    assert len(found) > 350
    otherwise = [name for name, path in found.items() if name not in imported_by_tests() and kind(name, path)]
    assert len(otherwise) < len(found) / 5, otherwise


@pytest.mark.parametrize("what", [*NAMES, *IMPORTS, *DOORS])
def test_no_kind_is_excused_that_there_is_not(what: str) -> None:
    assert any(
        name.endswith(what) or what in imports(path) or name.startswith(f"{what}.") for name, path in modules().items()
    )
