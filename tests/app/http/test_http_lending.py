"""What a request lends: turns of the organisation that it names (its caller), at the application's queues."""

import uuid
from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from app.errors import Unavailable
from app.http.lending import Lent
from app.http.turns.queues import FairQueue


def request_of(reading: FairQueue, account: uuid.UUID) -> Any:
    state = SimpleNamespace(reading=reading, fetching=FairQueue(1, 1), remote_fetcher="fetcher")
    caller = SimpleNamespace(account_id=account)
    return SimpleNamespace(app=SimpleNamespace(state=state), state=SimpleNamespace(caller=caller))


@pytest.mark.parametrize("named", [True, False])
def test_turns_are_those_of_the_organisation(named: bool) -> None:
    reading, own, other = FairQueue(1, 0), uuid.uuid4(), uuid.uuid4()
    lent = Lent.of(request_of(reading, own), None, other if named else None)  # type: ignore[arg-type]

    async def act() -> None:
        assert lent.fetcher == "fetcher"
        assert await lent.read(lambda: 3) == 3
        assert await lent.fetch(lambda: 4) == 4
        reading._free = 0
        with pytest.raises(Unavailable):
            await lent.read(lambda: 5)
        assert set(reading._waiting) == {other if named else own}

    anyio.run(act)
