"""Calls that follow one another, said once for both clients: a generator yields each call and is sent what came of it,
an answer or the problem that it was; either client makes the calls in its own way."""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx

Json = dict[str, Any]


@dataclass(frozen=True)
class Call:
    """A call of the service; ``part`` is its body where it has one that is not in ``how``, which is httpx's."""

    method: str
    path: str
    part: bytes | None = None
    how: Json = field(default_factory=dict)

    @property
    def content(self) -> Callable[[], Iterator[bytes]] | None:
        """The body, as often as the call is tried."""
        part = self.part
        return None if part is None else lambda: iter([part])


@dataclass(frozen=True)
class Put:
    """Bytes for an address of the service's store, which is asked without the caller's key."""

    address: str
    content: bytes


Steps = Generator[Call | Put, httpx.Response, Json]


def no_store(wanted: Put) -> httpx.Response:
    """Steps that ask the service alone have nothing for its store."""
    raise TypeError(f"nothing was to be sent to {wanted.address}")
