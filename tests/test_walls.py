"""Who may import whom, as far as import-linter cannot say it (its contracts are in pyproject.toml): circles between
files, other distributions, imports by a name in a string. docs/architecture.md lists both."""

import subprocess
import sys
from fnmatch import fnmatch
from itertools import pairwise
from pathlib import Path

import pytest

from tests.import_graph import Import, circle, graph, imports_of, modules
from tests.literal_keys import literal_keys, literal_keys_below

ROOT = Path(__file__).parents[1]
PACKAGES = ("agent", "app", "benchmarks", "cherish", "contract", "worker")
FILES = modules(ROOT, PACKAGES)
# where the engine may import estimators of others, and which
OUTSIDE = "worker.engine.learners.outside"
ESTIMATORS = ("lightgbm", "sklearn", "timm", "torchvision", "transformers")
IMPORTS = {module: imports_of(module, path) for module, path in FILES.items()}


def broken(rule: str, module: str, each: Import) -> str:
    return f"{FILES[module].relative_to(ROOT)}:{each.line} imports {each.name}: {rule}"


def below(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def test_no_files_import_each_other_in_a_circle() -> None:
    around = circle(graph(FILES))
    assert around is None, " -> ".join(around or [])


@pytest.mark.parametrize(
    ("sources", "around"),
    [
        ({"a": "import p.b", "b": "from p.a import x"}, True),
        ({"a": "def f():\n    from p import b", "b": "from .a import x"}, True),
        ({"a": "import p.b", "b": "import p.c", "c": "if True:\n    import p.a"}, True),
        ({"a": "import p.b", "b": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from p.a import x"}, False),
        ({"a": "import p.b, p.c", "b": "import p.c", "c": "import math"}, False),
    ],
)
def test_a_circle_is_seen_wherever_the_import_stands_unless_it_is_for_annotations(
    tmp_path: Path, sources: dict[str, str], around: bool
) -> None:
    (tmp_path / "p").mkdir()
    for name, source in sources.items():
        (tmp_path / "p" / f"{name}.py").write_text(source)
    found = circle(graph(modules(tmp_path, ["p"])))
    assert (found is not None) == around
    if found is not None:
        assert found[0] == found[-1]
        edges = graph(modules(tmp_path, ["p"]))
        assert all(after in edges[before] for before, after in pairwise(found))


@pytest.mark.parametrize(
    ("package", "allowed"),
    [
        ("contract", {"contract", "numpy", "pydantic", "pydantic_core"}),
        ("worker.engine", {"contract", "numpy", "torch", "worker.engine"}),
        # pandas and pyarrow are loaded by whoever has a frame or a table of theirs
        ("cherish", {"cherish", "httpx", "pandas", "pyarrow", "pydantic"}),
        (
            "agent",
            {
                "agent",
                "cherish",
                "contract",
                "httpx",
                "numpy",
                "pyarrow",
                "pydantic",
                "safetensors",
                "tokenizers",
                "torch",
            }
            | {"worker.engine"},
        ),
    ],
)
def test_a_package_imports_these_and_the_standard_library_and_nothing_else(package: str, allowed: set[str]) -> None:
    rule = f"{package} imports the standard library and {', '.join(sorted(allowed))} only"
    own = [module for module in FILES if below(module, package) and not below(module, OUTSIDE)]
    assert own
    assert not [
        broken(rule, module, each)
        for module in own
        for each in IMPORTS[module]
        if each.name.split(".")[0] not in sys.stdlib_module_names
        and not any(below(each.name, name) for name in allowed)
    ]


def test_other_libraries_estimators_are_imported_in_one_folder_of_the_engine_and_only_where_they_train() -> None:
    rule = f"{OUTSIDE} imports {' and '.join(ESTIMATORS)} inside functions, so that a worker that fits none loads none"
    used = [(module, each) for module in FILES if below(module, OUTSIDE) for each in IMPORTS[module]]
    named = {"contract", "numpy", "torch", "worker.engine", *ESTIMATORS}
    strangers = [(module, each) for module, each in used if each.name.split(".")[0] not in sys.stdlib_module_names]
    assert any(each.name in ESTIMATORS for _, each in used)
    assert not [broken(rule, *pair) for pair in strangers if not any(below(pair[1].name, name) for name in named)]
    source = f"import worker.engine.learners, sys; print([m for m in sys.modules if m in {ESTIMATORS}])"
    told = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, cwd=ROOT, check=True)
    assert told.stdout.strip() == "[]"


# what speaks HTTP: the service itself, the rooms made for it, and in each other room its endpoints
SPEAKS_HTTP = (
    "app.main",
    "app.asgi",
    "app.http.*",
    "app.web.*",
    "app.*.endpoints",
    "app.*.*_endpoints",
    "app.accounts.callers",
)


def test_only_endpoints_import_the_web_framework() -> None:
    rule = "in a room only endpoints.py and *_endpoints.py speak HTTP; rules belong into its service"
    assert not [
        broken(rule, module, each)
        for module in FILES
        if below(module, "app") and not any(fnmatch(module, pattern) for pattern in SPEAKS_HTTP)
        for each in IMPORTS[module]
        if each.name.split(".")[0] in ("fastapi", "starlette")
    ]


def test_endpoints_are_imported_by_the_application_and_by_endpoints_of_their_own_room() -> None:
    rule = "endpoints are for HTTP; another room calls the service behind them"
    endpoints = [module for module in FILES if module.endswith("endpoints") and below(module, "app")]
    assert len(endpoints) > 10
    assert not [
        broken(rule, module, each)
        for module in FILES
        for each in IMPORTS[module]
        for called in endpoints
        if below(each.name, called)
        and module != "app.main"
        # a room in a room belongs to it
        and not (module in endpoints and below(module.rpartition(".")[0], called.rpartition(".")[0]))
    ]


def test_the_command_line_imports_the_compute_side_only_where_it_computes() -> None:
    rule = "app.cli imports the worker inside functions, so that other commands do not load torch"
    used = [(module, each) for module in FILES if below(module, "app.cli") for each in IMPORTS[module]]
    used = [(module, each) for module, each in used if below(each.name, "worker")]
    assert used
    assert not [broken(rule, module, each) for module, each in used if not (each.lazy or each.typing)]


def test_the_command_line_starts_without_torch() -> None:
    program = (
        "import sys, app.cli; from app.cli import collect, doctor, keys, market, ops;"
        " from app.cli.demonstration import demo; from app.cli.proving import verify;"
        " from app.cli.valuing import value;"
        " sys.exit(bool({'torch', 'worker'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


def test_modules_are_imported_by_a_name_in_a_string_in_two_places_only() -> None:
    rule = "walls are read from import statements; only tables and the sandbox's tasks are named by strings"
    assert not [
        broken(rule, module, each)
        for module in FILES
        if module not in ("app.db.registry", "app.sandbox.process")
        for each in IMPORTS[module]
        if below(each.name, "importlib") and not below(each.name, "importlib.metadata")
    ]
    assert not [module for module, path in FILES.items() if "__import__(" in path.read_text()]


# what docs/architecture.md says; it may fall, and then both are lowered
LITERAL_KEYS = 240


@pytest.mark.parametrize(
    ("source", "keys"),
    [
        ("x['a']; x.get('b', 0); x.pop('c'); x.setdefault('d', 1)", ["a", "b", "c", "d"]),
        ("x[name]; x.get(name); x[0]; x.find('e')", []),
        ("@router.get('/jobs')\ndef f(x: Literal['on']) -> Literal['off']: ...", []),
        ("class A:\n    kind: Literal['a'] = y['b']", ["b"]),
        ("@router.get('')\ndef f(): ...", []),
        ("answer.headers['a']; headers.get('b'); request.headers.get('c').x['d']", ["d"]),
    ],
)
def test_an_access_by_a_written_key_is_counted_and_no_annotation_or_route(source: str, keys: list[str]) -> None:
    assert [key for _, key in literal_keys(source)] == keys


def test_few_accesses_by_a_written_key_are_left_in_service_and_workers() -> None:
    counts = literal_keys_below(ROOT / "app", ROOT / "worker")
    most = ", ".join(f"{path.relative_to(ROOT)} {counts[path]}" for path in sorted(counts, key=counts.__getitem__)[-5:])
    total = sum(counts.values())
    assert total <= LITERAL_KEYS, f"{total} accesses by a literal key, most in {most}; give the document a type"
    assert f"at most {LITERAL_KEYS} accesses by a literal key" in (ROOT / "docs" / "architecture.md").read_text()
