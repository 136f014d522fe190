"""The client's models and operations, made from docs/openapi.json: ``cherish/models.py``, ``operations.py`` and
``async_operations.py``. ``tools/openapi.py --write`` makes them anew with the document; nobody edits them.

A model is a pydantic class for each schema. What is no field of a model today may be one tomorrow, and an enum of
answers may grow, so models keep what they do not know and take any text where a list of words is meant.
"""

import json
import keyword
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

ROOT = Path(__file__).parents[1]
CLIENT = ROOT / "cherish"
Spec = Mapping[str, Any]

_METHODS = ("get", "put", "post", "delete", "patch")
_WORDS = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
_TAKEN = frozenset(dir(BaseModel)) | {"plain", "records", "to_pandas"}
_MADE = "Made from docs/openapi.json by tools/client_code.py; edit neither."


def files(spec: Spec) -> dict[Path, str]:
    """Each made file with what is in it."""
    return {
        CLIENT / "models.py": _formatted(models(spec)),
        CLIENT / "operations.py": _formatted(operations(spec, asynchronous=False)),
        CLIENT / "async_operations.py": _formatted(operations(spec, asynchronous=True)),
    }


def write(spec: Spec) -> None:
    """Write what is not yet so."""
    for path, content in files(spec).items():
        if not path.exists() or path.read_text("utf-8") != content:
            path.write_text(content, "utf-8")


def stale(spec: Spec) -> list[str]:
    """Made files that are not what the document says."""
    return [path.name for path, content in files(spec).items() if not path.exists() or path.read_text() != content]


def models(spec: Spec) -> str:
    """A module with a class for each schema, in the order of their names."""
    schemas = spec["components"]["schemas"]
    lines = [
        f'"""The API\'s bodies and answers as typed data. {_MADE}"""',
        "",
        "from __future__ import annotations",
        "",
        "from datetime import date, datetime",
        "from typing import Any, Literal",
        "",
        "from pydantic import Field",
        "",
        "from cherish.records import Record",
    ]
    for name, schema in sorted(schemas.items()):
        lines += ["", "", *_model(class_name(name), schema)]
    return "\n".join(lines) + "\n"


def _model(name: str, schema: Spec) -> Iterator[str]:
    if "properties" not in schema:
        yield f"{name} = {_type(schema)}"
        return
    yield f"class {name}(Record):"
    yield _doc(schema.get("description", ""), 4)
    required = set(schema.get("required", ()))
    for field, its in schema["properties"].items():
        own = attribute(field)
        kind = _type(its)
        if field not in required and "None" not in kind.split(" | "):
            kind += " | None"
        if own != field:
            default = "" if field in required else "default=None, "
            yield f'    {own}: {kind} = Field({default}alias="{field}")'
        else:
            yield f"    {own}: {kind}" + ("" if field in required else " = None")


def class_name(schema: str) -> str:
    """The class of a schema: its name in letters and digits."""
    return re.sub(r"[^0-9A-Za-z]+", "_", schema).strip("_")


def attribute(field: str) -> str:
    """The attribute of a field: its name, with ``_`` where Python or pydantic has the name."""
    name = re.sub(r"\W", "_", field).strip("_") or "field"
    return f"{name}_" if keyword.iskeyword(name) or name in _TAKEN else name


def _type(schema: Spec, module: str = "") -> str:
    if "$ref" in schema:
        return module + class_name(schema["$ref"].rsplit("/", 1)[1])
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            return " | ".join(dict.fromkeys(_type(each, module) for each in schema[several]))
    words = [schema["const"]] if "const" in schema else schema.get("enum")
    if words is not None and all(isinstance(word, str) for word in words):
        return f"Literal[{', '.join(json.dumps(word) for word in words)}] | str"
    match schema.get("type"):
        case "array" if "prefixItems" in schema:
            return f"tuple[{', '.join(_type(each, module) for each in schema['prefixItems'])}]"
        case "array":
            return f"list[{_type(schema.get('items', {}), module)}]"
        case "object":
            of = schema.get("additionalProperties")
            return f"dict[str, {_type(of, module) if isinstance(of, Mapping) else 'Any'}]"
        case "string":
            return {"date-time": "datetime", "date": "date", "binary": "bytes"}.get(schema.get("format", ""), "str")
        case str() as plain:
            return _WORDS[plain]
    return "Any"


def operations(spec: Spec, *, asynchronous: bool) -> str:
    """A module with one class, which has a method for each operation."""
    kind, manner = ("AsyncOperations", "awaited") if asynchronous else ("Operations", "called")
    lines = [
        f'"""Every operation of the API, to be {manner}. {_MADE}"""',
        "",
        "from collections.abc import Mapping",
        "from datetime import date, datetime",
        "from typing import Any, Literal",
        "",
        "from cherish import models as m",
        f"from cherish.calling import {'Async' if asynchronous else ''}Calls, Content, part",
        "",
        "",
        f"class {kind}({'Async' if asynchronous else ''}Calls):",
        '    """Every operation by its name in the API\'s document; what is refused raises ``Problem``."""',
    ]
    found = sorted(
        (its["operationId"], method.upper(), path, its)
        for path, calls in spec["paths"].items()
        for method, its in calls.items()
        if method in _METHODS
    )
    for name, method, path, its in found:
        lines += ["", *_method(name, method, path, its, asynchronous=asynchronous)]
    return "\n".join(lines) + "\n"


def _method(name: str, method: str, path: str, its: Spec, *, asynchronous: bool) -> Iterator[str]:
    named_in: dict[str, dict[str, str]] = {"path": {}, "query": {}, "header": {}}
    types: dict[str, str] = {}
    for each in its.get("parameters", ()):
        own = attribute(each["name"].replace("-", "_").lower())
        named_in[each["in"]][each["name"]] = own
        kind = _type(each["schema"], "m.")
        if not each.get("required") and "None" not in kind.split(" | "):
            kind += " | None"
        types[own] = kind if each.get("required") else f"{kind} = None"
    body, content = _body(its)
    positional = [f"{own}: {types[own]}" for own in named_in["path"].values()]
    positional += [f"body: {body}"] if body else ["content: Content"] if content else []
    named = {**named_in["query"], **named_in["header"]}
    keywords = sorted((f"{own}: {types[own]}" for own in named.values()), key=lambda text: "=" in text)
    answers, returns = _answers(its)
    signature = ", ".join(["self", *positional, *(["*", *keywords] if keywords else [])])
    yield f"    {'async ' if asynchronous else ''}def {name}({signature}) -> {returns}:"
    yield _doc(its.get("description") or its.get("summary", ""), 8)
    address = re.sub(r"\{([^}]+)\}", lambda found: "{part(" + named_in["path"][found[1]] + ")}", path)
    words = [f'"{method}"', f'{"f" if "{" in address else ""}"{address}"', answers]
    kind = next(iter(its.get("requestBody", {}).get("content", {})), "")
    fixed = {"Content-Type": kind} if content and kind != "application/octet-stream" else {}
    for where in ("query", "header"):
        if named_in[where] or (where == "header" and fixed):
            pairs = ", ".join(
                [f'"{theirs}": {own}' for theirs, own in named_in[where].items()]
                + [f'"{name}": "{value}"' for name, value in (fixed.items() if where == "header" else ())]
            )
            words.append(f"{where}={{{pairs}}}")
    words += ["body=body"] if body else ["content=content"] if content else []
    call = f"{'await ' if asynchronous else ''}self._call({', '.join(words)})"
    if returns == "None":
        yield f"        {call}"
    else:
        yield f"        answer: {returns} = {call}"
        yield "        return answer"


def _body(its: Spec) -> tuple[str, bool]:
    """The type of an operation's JSON body ("": none), and whether it takes bytes."""
    content = its.get("requestBody", {}).get("content", {})
    if "application/json" not in content:
        return "", bool(content)
    return f"{_type(content['application/json']['schema'], 'm.')} | Mapping[str, Any]", False


def _answers(its: Spec) -> tuple[str, str]:
    """What a success is read as, by status, and the type of what the method returns."""
    read, returns = [], []
    for status, answer in sorted(its["responses"].items()):
        if not status.startswith("2"):
            continue
        content = answer.get("content", {})
        if not content:
            kind = "None"
        elif "application/json" in content:
            kind = _type(content["application/json"].get("schema", {}), "m.")
        elif "application/ld+json" in content:
            kind = "Any"
        else:
            kind = "bytes"
        read.append(f"{status}: {kind}")
        returns.append(kind)
    return f"{{{', '.join(read)}}}", " | ".join(dict.fromkeys(returns))


def _doc(words: str, indent: int) -> str:
    margin = " " * indent
    plain = " ".join(words.replace("\\", "\\\\").replace('"""', "'''").split()) or "As the API's document says."
    lines = textwrap.wrap(plain, 118 - indent - 6)
    quoted = "\n".join([f'{margin}"""{lines[0]}', *(margin + line for line in lines[1:])])
    return quoted + ('"""' if len(lines[-1]) < 100 and not lines[-1].endswith('"') else f'\n{margin}"""')


def _formatted(code: str) -> str:
    """As ``make lint`` wants it."""
    ruff = [sys.executable, "-m", "ruff"]
    name = ["--stdin-filename", str(CLIENT / "made.py")]
    fixed = subprocess.run(
        [*ruff, "check", "--quiet", "--fix-only", "--select", "F401,I", *name, "-"],
        input=code, capture_output=True, text=True, check=True, cwd=ROOT,
    ).stdout  # fmt: skip
    done = subprocess.run(
        [*ruff, "format", "--quiet", *name, "-"], input=fixed, capture_output=True, text=True, check=True, cwd=ROOT
    )
    return done.stdout
