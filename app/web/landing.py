"""The first page: what this is and how it works, for somebody who has never seen it; and one job to watch.

That job is the newest of the buyer whom the operator has named for it (``CHERISH_SHOWN_BUYER``). Anybody may watch it
and read who was paid what; of every other job, and where nobody is named, this page reads nothing.
"""

import uuid
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from fastapi import Depends, Query, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from sqlalchemy.orm import Session

from app.accounts import service as accounts
from app.errors import NotFound
from app.http import browsers
from app.http.deps import SessionDep, SettingsDep
from app.http.pages import PageRequest
from app.identity import Caller, Role
from app.settings import Settings
from app.valuations import service
from app.valuations.results import wording
from app.valuations.states import TERMINAL, ValuationStatus
from app.web import charts, localisation, trial
from app.web.progress import WatchedJob, progress_events, progress_view
from app.web.rendering import own_path, page, see_other
from app.web.routes import page_router
from app.web.visitors import Visitor, current

router = page_router()


@router.get("/")
def landing(
    request: Request, visitor: Annotated[Visitor | None, Depends(current)], session: SessionDep, settings: SettingsDep
) -> Response:
    job = _shown(session, settings)
    shown = {"demo": _demo(session, *job) if job else None, "trial": _trial()}
    return page(request, "landing.html", shown, visitor=visitor)


@router.get("/language/{code}")
def choose_language(
    settings: SettingsDep, code: Literal["en", "de", "ar"], back: Annotated[str, Query(max_length=500)] = "/"
) -> Response:
    """Keep the visitor's choice of a language, and go back to the page, which is of this site."""
    response = see_other(own_path(back) or "/")
    browsers.set_cookie(response, settings, localisation.COOKIE, code, 31_536_000)
    return response


def _trial() -> dict[str, Any]:
    """The stored game, divided whole; the page's script divides it again."""
    game = trial.game()
    parts = trial.divided(game, list(range(len(game.providers))), 100 * trial.POOL)
    stored = {"providers": [{"name": name} for name, _ in game.providers], "worths": game.worths}
    return {"game": game, "stored": stored, "pool": trial.POOL, "drawn": trial.drawn(parts)}


def _shown_job(session: SessionDep, settings: SettingsDep) -> WatchedJob:
    """The job on the first page, watched as its buyer; raises NotFound where none is shown."""
    shown = _shown(session, settings)
    if shown is None:
        raise NotFound("no job is shown here; the operator names a buyer with CHERISH_SHOWN_BUYER")
    return WatchedJob(shown[1], lambda looking: _buyer(looking, settings))


@router.get("/demo/progress", response_class=EventSourceResponse)
async def stream_demo(
    request: Request, job: Annotated[WatchedJob, Depends(_shown_job)]
) -> AsyncIterator[ServerSentEvent]:
    """The progress of the job on the first page, as its buyer sees it."""
    async for event in progress_events(request, job):
        yield event


def _buyer(session: Session, settings: Settings) -> Caller | None:
    """The buyer whose newest job is shown, as a caller who can do nothing."""
    account = accounts.by_name(session, settings.shown_buyer) if settings.shown_buyer else None
    if account is None or account.role is not Role.BUYER:
        return None
    return Caller(account.id, Role.BUYER, frozenset(), key_id=None)


def _shown(session: Session, settings: Settings) -> tuple[Caller, uuid.UUID] | None:
    caller = _buyer(session, settings)
    if caller is None:
        return None
    newest, _ = service.list_valuations(session, caller, [], PageRequest(1, None, b""))
    return (caller, newest[0].id) if newest else None


def _demo(session: Session, caller: Caller, valuation_id: uuid.UUID) -> dict[str, Any]:
    valuation = service.get(session, caller, valuation_id)
    answer = service.describe(session, valuation)
    events = service.events(session, caller, valuation_id, 0, 1000)
    shown = progress_view(answer, valuation.order, events) | {"over": valuation.status in TERMINAL, "result": None}
    if valuation.status is not ValuationStatus.SUCCEEDED:
        return shown
    values = service.values(session, caller, valuation_id)
    return shown | {
        "result": values,
        "ranked": wording.ranked(values.players),
        "paid_share": wording.paid_share,
        "differences": wording.differences(values.players),
        "chart": charts.shares(values) if any(player.share is not None for player in values.players) else None,
    }
