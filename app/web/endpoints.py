"""The pages themselves: ``/docs`` (Swagger UI, vendored), ``/problems`` and one page for each kind of problem."""

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse

from app import errors
from app.errors import CherishError, NotFound
from app.web import (
    accounting,
    admin,
    catalogue,
    checkpoints,
    disputes,
    downloads,
    hooks,
    jobs,
    landing,
    offers,
    progress,
    tracing,
    uploads,
)
from app.web.assets import Assets
from app.web.before import consenting, exploring, wanting
from app.web.ended import attributing, questions, rows, sharing, standing
from app.web.members import (
    entrance,
    organisations,
    own_sessions,
    passkeys,
    people,
    searching,
    second_factor,
    sessions,
    signing_in,
    single_sign_on,
)
from app.web.rendering import POLICY, page
from app.web.visitors import Visitor, current

_HERE = Path(__file__).parent
# Swagger UI writes styles into its own elements; no page of ours does
_DOCS = POLICY.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
static = Assets(directory=_HERE / "static")

_MENDS = {
    400: "Correct the request; it could not be read.",
    401: "Send a valid key: Authorization: Bearer cherish_… . Expired and revoked keys are replaced, not repaired.",
    403: "Use a key whose account has the role, and which carries the scope, that the detail names.",
    404: "Check the address and the id. What belongs to others looks the same as what does not exist.",
    405: "Use one of the methods in the Allow header.",
    409: "Look at the current state of the thing, then decide whether the request still makes sense.",
    408: "Send it again, over a faster connection: the detail names the limit.",
    413: "Send less: the detail names the limit.",
    415: "Send JSON as application/json, and files as raw bytes.",
    422: "Correct what the detail and the list of errors name, and send the request again.",
    429: "Wait for as long as Retry-After says.",
    500: "This is a mistake of ours. Tell the operator the request_id; nothing of the request was stored.",
    503: "Wait for as long as Retry-After says, then send the request again.",
}


def kinds() -> dict[str, type[CherishError]]:
    """Every kind of problem by its slug, the base included (an unforeseen error)."""
    by_slug: dict[str, type[CherishError]] = {}
    pending: list[type[CherishError]] = [CherishError]
    while pending:
        kind = pending.pop()
        by_slug.setdefault(kind.type, kind)
        pending += kind.__subclasses__()
    return dict(sorted(by_slug.items(), key=lambda item: (item[1].status, item[0])))


@router.get("/docs")
def docs(request: Request, visitor: Annotated[Visitor | None, Depends(current)]) -> Response:
    shown = page(request, "docs.html", visitor=visitor)
    shown.headers["Content-Security-Policy"] = _DOCS
    return shown


@router.get("/problems")
def problems(request: Request, visitor: Annotated[Visitor | None, Depends(current)]) -> Response:
    listed = [(slug, kind.title, kind.status) for slug, kind in kinds().items()]
    return page(request, "problems.html", {"problems": listed}, visitor=visitor)


@router.get("/problems/{slug}")
def problem(request: Request, visitor: Annotated[Visitor | None, Depends(current)], slug: str) -> Response:
    kind = kinds().get(slug)
    if kind is None:
        raise NotFound(f"no kind of problem is called {slug!r}; /problems lists them")
    shown = {
        "slug": slug,
        "title": kind.title,
        "status": kind.status,
        "meaning": _meaning(kind),
        "mend": _MENDS[kind.status],
    }
    return page(request, "problem.html", shown, visitor=visitor)


def _meaning(kind: type[CherishError]) -> str:
    """The kind's line in the tree that ``app.errors`` draws."""
    for line in (errors.__doc__ or "").splitlines():
        _, separator, rest = line.partition(f" {kind.__name__} ")
        if separator:
            return rest.strip().partition(" ")[2].strip().capitalize() + "."
    return "Something went wrong that nobody foresaw."


# one line for each group of pages; the stream of a job before the job itself
for pages in (
    landing, sessions, own_sessions, entrance, second_factor, passkeys, signing_in, single_sign_on, people,
    progress, questions, attributing,
    sharing, rows, standing, wanting,
    consenting, exploring, jobs, downloads, catalogue, offers, tracing, uploads, checkpoints, accounting, hooks,
    searching, admin, organisations, disputes,
):  # fmt: skip
    router.include_router(pages.router)
