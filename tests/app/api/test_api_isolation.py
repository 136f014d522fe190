"""Tenants are apart: every operation, walked with another tenant's ids, answers as if there were nothing."""

import itertools
import re
from collections.abc import Callable, Iterator
from typing import Any

from app.identity import Role
from app.main import create_app
from app.settings import Settings
from tests.app.api.conftest import World
from tests.app.conftest import Known

SPEC = create_app(Settings()).openapi()
_ID = re.compile(r"[a-z]+_[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in SPEC["paths"].items():
        for method, operation in methods.items():
            if "{" in path:
                yield method.upper(), path, operation


def example_of(operation: dict[str, Any]) -> dict[str, Any]:
    """What to send, so that nothing but the id can be wrong: the document's own example of the body."""
    for kind, media in operation.get("requestBody", {}).get("content", {}).items():
        if kind == "application/json":
            schema = media["schema"]
            if "$ref" in schema:
                schema = SPEC["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
            return {"json": schema["examples"][0]}
        return {"content": b"a,label\n1,x\n", "headers": {"Content-Type": kind}}
    return {}


def filled(path: str, ids: dict[str, str]) -> str | None:
    names = re.findall(r"{(\w+)}", path)
    return None if any(name not in ids for name in names) else path.format(**ids)


def of_nobody(ids: dict[str, str]) -> dict[str, str]:
    return {name: f"{value.partition('_')[0]}_{'0' * 31}1" for name, value in ids.items()}


def test_what_is_anothers_is_what_does_not_exist(world: World, known: Callable[..., Known]) -> None:
    told, walked = [], 0
    strangers = known(Role.PROVIDER).client, known(Role.BUYER).client
    for victim, client in itertools.product(Role, strangers):
        ids = world.owned[victim]
        for method, path, operation in operations():
            asked, missing = filled(path, ids), filled(path, of_nobody(ids))
            if asked is None or missing is None:
                continue
            walked += 1
            sent = example_of(operation)
            answer, nothing = client.request(method, asked, **sent), client.request(method, missing, **sent)
            if answer.status_code not in (403, 404):
                told.append(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
            elif (answer.status_code, _bare(answer)) != (nothing.status_code, _bare(nothing)):
                told.append(f"{method} {path} tells what exists: {_bare(answer)!r}, but {_bare(nothing)!r}")
    assert told == []
    assert walked > 100


def _bare(answer: Any) -> str:
    """A problem's words without the ids in it."""
    return _ID.sub("…", str(answer.json().get("detail")))


def test_no_list_and_no_order_shows_what_is_anothers(world: World, known: Callable[..., Known]) -> None:
    strangers = known(Role.PROVIDER), known(Role.BUYER)
    secret = {value for role in (Role.PROVIDER, Role.BUYER) for value in world.owned[role].values()}
    lists = [path for path, methods in SPEC["paths"].items() if "get" in methods and "{" not in path]
    assert len(lists) > 10
    for path in lists:
        for stranger in strangers:
            answer = stranger.client.get(path)
            # an agent's questions are asked for with its version and its dataset
            # questions need a filter; a provider of one's own may not be there
            also = {"/v1/agents/questions": 422, "/v1/identity-provider": 404}.get(path, 200)
            assert answer.status_code in (200, 403, also), (path, answer.text)
            assert set(_ID.findall(answer.text)) & secret == set(), path
    for path in ("/v1/valuations", "/v1/valuations/quote"):
        _order_on_anothers(strangers[1], world, path)


def _order_on_anothers(stranger: Known, world: World, path: str) -> None:
    """An order on another's test set, checkpoint or unpublished dataset is an order on nothing."""
    mine = world.owned[Role.BUYER]
    nothing = of_nobody(mine)
    hidden = world.owned[Role.PROVIDER]["dataset_id"]

    def ask(**order: Any) -> tuple[int, str]:
        fields = {"datasets": [hidden], "test_dataset": nothing["dataset_id"], "pool": "1.00"} | order
        answer = stranger.client.post(path, json=fields)
        return answer.status_code, _bare(answer)

    for field, name in (("test_dataset", "dataset_id"), ("checkpoint", "checkpoint_id")):
        others = ask(**{field: mine[name]})
        assert others == ask(**{field: nothing[name]}), (path, field)
        assert others[0] in (404, 422)
    assert ask(datasets=[hidden]) == ask(datasets=[nothing["dataset_id"]]), path
