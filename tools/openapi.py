"""The gate of the API's promise: docs/openapi.json is what the code says, and a change of it breaks no client.

``tools/openapi.py``                 fails where the snapshot is out of date, or differs from ``--against`` by a break
``tools/openapi.py --write``         writes the snapshot, and says what in it would break a client
``tools/openapi.py --against REF``   compares with the snapshot at a git revision (default: the one that is committed)

Breaking: an operation, an answer's status or media type, a field of an answer, or a value that a request's enum took is
gone; an answer's field is no longer always there; a type changed; a request needs a field or parameter that it did not,
or no longer takes one. Adding is no break, enum values of answers included: docs/api.md tells clients to expect them.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from app.main import create_app
from app.settings import Settings
from tools import client_code

SNAPSHOT = ROOT / "docs" / "openapi.json"
_METHODS = ("get", "put", "post", "delete", "patch", "head", "options")
Spec = Mapping[str, Any]


def present() -> Spec:
    """The document as the code says it, in the form in which JSON keeps it."""
    told: Spec = json.loads(json.dumps(create_app(Settings()).openapi()))
    return told


def text(spec: Spec) -> str:
    """One line for each leaf, so that a difference can be read."""
    return json.dumps(spec, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def breaks(before: Spec, after: Spec) -> list[str]:
    """What a client of ``before`` can no longer rely on with ``after``, a sentence each."""
    found: list[str] = []
    for path, operations in before.get("paths", {}).items():
        for method in set(operations) & set(_METHODS):
            name = f"{method.upper()} {path}"
            now = after.get("paths", {}).get(path, {}).get(method)
            if now is None:
                found.append(f"{name} is gone")
            else:
                found += [f"{name}: {each}" for each in _operation(operations[method], now, before, after)]
    return sorted(set(found))


def _operation(old: Spec, new: Spec, before: Spec, after: Spec) -> Iterator[str]:
    if old.get("operationId") != new.get("operationId"):
        yield f"its name {old.get('operationId')} became {new.get('operationId')}"
    parameters = {(each["in"], each["name"]): each for each in old.get("parameters", [])}
    for each in new.get("parameters", []):
        known = parameters.pop((each["in"], each["name"]), None)
        place = f"{each['in']} parameter {each['name']}"
        if each.get("required") and not (known or {}).get("required"):
            yield f"{place} is required now"
        if known is not None:
            yield from _schema(known.get("schema", {}), each.get("schema", {}), place, before, after, asked=True)
    for where, name in parameters:
        yield f"{where} parameter {name} is gone"
    wanted, given = old.get("requestBody", {}), new.get("requestBody", {})
    if given.get("required") and not wanted.get("required"):
        yield "a body is required now"
    yield from _contents(wanted.get("content", {}), given.get("content", {}), "the body", before, after, asked=True)
    for status, answer in old.get("responses", {}).items():
        now = new.get("responses", {}).get(status)
        if now is None:
            # an error that cannot happen any more surprises nobody
            if status < "400":
                yield f"answer {status} is gone"
            continue
        contents = answer.get("content", {}), now.get("content", {})
        yield from _contents(*contents, f"answer {status}", before, after, asked=False)


def _contents(old: Spec, new: Spec, place: str, before: Spec, after: Spec, *, asked: bool) -> Iterator[str]:
    for kind, media in old.items():
        if kind not in new:
            yield f"{place} as {kind} is gone"
        else:
            yield from _schema(media.get("schema", {}), new[kind].get("schema", {}), place, before, after, asked=asked)


def _schema(
    old: Spec, new: Spec, place: str, before: Spec, after: Spec, *, asked: bool, seen: frozenset[str] = frozenset()
) -> Iterator[str]:
    name = str(old.get("$ref", ""))
    if name and name in seen:
        return
    seen |= {name}
    old, new = _resolved(old, before), _resolved(new, after)
    yield from _types(old, new, place, asked=asked)
    was, now = old.get("properties", {}), new.get("properties", {})
    needed_before, needed_now = set(old.get("required", ())), set(new.get("required", ()))
    for field, schema in was.items():
        if field not in now:
            yield f"{place}: field {field} is gone"
            continue
        yield from _schema(schema, now[field], f"{place}, {field}", before, after, asked=asked, seen=seen)
        if not asked and field in needed_before - needed_now:
            yield f"{place}: field {field} is no longer always there"
    if asked:
        for field in sorted(needed_now - needed_before):
            yield f"{place}: field {field} is required now"
    if "items" in old and "items" in new:
        yield from _schema(old["items"], new["items"], f"{place}[]", before, after, asked=asked, seen=seen)
    # the members of a union that is not of plain types are compared in order
    pairs = zip(_members(old), _members(new), strict=False)
    for left, right in pairs:
        yield from _schema(left, right, place, before, after, asked=asked, seen=seen)


def _types(old: Spec, new: Spec, place: str, *, asked: bool) -> Iterator[str]:
    was, now = _kinds(old), _kinds(new)
    # who asks must still be allowed what it was; who answers must not answer more than it did
    lost = was - now if asked else now - was
    if was and now and lost:
        yield f"{place}: {'no longer takes' if asked else 'may now be'} {', '.join(sorted(lost))}"
    if asked:
        values = set(map(str, old.get("enum", ())))
        if gone := values - set(map(str, new.get("enum", values))):
            yield f"{place}: the value {', '.join(sorted(gone))} is no longer taken"
    elif "enum" not in new and "enum" in old and _kinds(old) == _kinds(new):
        yield f"{place}: its values are no longer listed"


def _kinds(schema: Spec) -> set[str]:
    if "type" in schema:
        given = schema["type"]
        kinds = {given} if isinstance(given, str) else set(given)
        return kinds | {"integer"} if "number" in kinds else kinds
    return set().union(*(_kinds(each) for each in _members(schema))) if _members(schema) else set()


def _members(schema: Spec) -> list[Spec]:
    return list(schema.get("anyOf", schema.get("oneOf", schema.get("allOf", ()))))


def _resolved(schema: Spec, spec: Spec) -> Spec:
    while "$ref" in schema:
        schema = spec.get("components", {}).get("schemas", {}).get(schema["$ref"].rsplit("/", 1)[1], {})
    return schema


def committed(revision: str) -> Spec | None:
    """The snapshot at a git revision; None where there is none, or no git."""
    name = SNAPSHOT.relative_to(ROOT).as_posix()
    try:
        done = subprocess.run(["git", "show", f"{revision}:{name}"], cwd=ROOT, capture_output=True, check=False)  # noqa: S607
    except FileNotFoundError:
        return None
    found: Spec | None = json.loads(done.stdout) if done.returncode == 0 else None
    return found


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write the snapshot")
    parser.add_argument("--against", default="HEAD", help="the git revision whose snapshot clients know")
    options = parser.parse_args(arguments)
    spec = present()
    before = committed(options.against)
    broken = breaks(before, spec) if before is not None else []
    for sentence in broken:
        print(f"breaking: {sentence}", file=sys.stderr)  # noqa: T201  a command's answer
    if options.write:
        SNAPSHOT.write_text(text(spec), "utf-8")
        client_code.write(json.loads(text(spec)))
        return 0
    if not SNAPSHOT.exists() or SNAPSHOT.read_text("utf-8") != text(spec):
        print("docs/openapi.json is not what the code says: .venv/bin/python tools/openapi.py --write", file=sys.stderr)  # noqa: T201
        return 1
    if made := client_code.stale(json.loads(text(spec))):
        print(f"{', '.join(made)} of the client: .venv/bin/python tools/openapi.py --write", file=sys.stderr)  # noqa: T201
        return 1
    if broken:
        print("deprecate first: docs/api.md, Changes of the API", file=sys.stderr)  # noqa: T201  same
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
