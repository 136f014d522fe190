"""The calls that meet a long history: lists and their next pages, searches, statements, a job's pages, a proof."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from sqlalchemy.orm import Session

from app.payouts import repository as payouts
from app.payouts.service import VOID


@dataclass(frozen=True)
class Asked:
    """One call: what it is called in a table, who makes it, and where."""

    name: str
    who: str
    path: str
    page: bool = False


def reads(job: str) -> list[Asked]:
    """What is read again and again; ``job`` has ended."""
    return [
        Asked("jobs", "buyer", "/v1/valuations?limit=50"),
        Asked("a job", "buyer", f"/v1/valuations/{job}"),
        Asked("its values", "buyer", f"/v1/valuations/{job}/values"),
        Asked("its events", "buyer", f"/v1/valuations/{job}/events"),
        Asked("catalogue", "buyer", "/v1/catalog?limit=50"),
        Asked("catalogue, searched", "buyer", "/v1/catalog?q=handwritten&limit=50"),
        Asked("own datasets", "provider", "/v1/datasets?limit=50"),
        Asked("jobs that used one's data", "provider", "/v1/me/valuations?limit=50"),
        Asked("balance", "buyer", "/v1/me/balance"),
        Asked("statement", "buyer", "/v1/me/statement?limit=50"),
        Asked("audit log", "buyer", "/v1/audit?limit=50"),
        Asked("page: jobs", "buyer", "/jobs", page=True),
        Asked("page: a job", "buyer", f"/jobs/{job}", page=True),
        Asked("page: catalogue", "buyer", "/catalogue", page=True),
        Asked("page: own datasets", "provider", "/datasets", page=True),
        Asked("page: money", "buyer", "/money", page=True),
        Asked("page: earnings", "provider", "/earnings", page=True),
    ]


def regular(session: Session) -> dict[str, Callable[[], object]]:
    """What the bookkeeper asks every 30 seconds."""
    now = payouts.now(session)
    return {
        "reservations that expire": lambda: payouts.overdue(session, "reserve", now, 100),
        "void payouts that nobody disputed": lambda: payouts.overdue(session, VOID, now, 100),
        "holdbacks that are due": lambda: payouts.due_holdbacks(session, now, 100),
        "withdrawals that wait": lambda: payouts.pending_with_code(session, "withdrawal", 100),
    }


class Callers:
    """Who calls, each with a key; pages are called by a browser that has logged in with it."""

    def __init__(self, client: Callable[[dict[str, str]], httpx.Client], keys: Mapping[str, str]) -> None:
        """``client`` makes a client of the service that sends these headers."""
        self._api = {who: client({"Authorization": f"Bearer {key}"}) for who, key in keys.items()}
        self._pages = {}
        for who, key in keys.items():
            browser = self._pages[who] = client({"Accept": "text/html"})
            token = re.search(r'name="csrf" content="([^"]+)"', browser.get("/login").text)
            assert token is not None, "the page of a login has a form"
            browser.post("/login", data={"csrf": token[1], "key": key}, follow_redirects=False)

    def ask(self, call: Asked) -> httpx.Response:
        """The answer, which must be a good one."""
        client = (self._pages if call.page else self._api)[call.who]
        answer = client.get(call.path, follow_redirects=False)
        if answer.status_code != 200:
            raise RuntimeError(f"{call.path} was answered {answer.status_code}: {answer.text[:200]}")
        return answer

    def pages_on(self, call: Asked, number: int) -> Asked:
        """The same list, so many pages later."""
        for _ in range(number):
            told: dict[str, Any] = self.ask(call).json()
            if told["next_cursor"] is None:
                break
            path = re.sub(r"&cursor=.*", "", call.path)
            call = Asked(call.name, call.who, f"{path}&cursor={told['next_cursor']}")
        return call
