"""Questions to a job that has ended: what another pool or rule would have paid, and how another job compares."""

from typing import Annotated, Any

from fastapi import Query, Request, Response

from app.errors import InvalidInput, NotFound
from app.http.deps import PageDep, SessionDep
from app.http.ids import ValuationId, parse_id, public_id
from app.valuations import service
from app.valuations.results.comparison import compare
from app.valuations.states import ValuationStatus
from app.web.jobs import Reader
from app.web.rendering import page
from app.web.routes import page_router
from contract.names import unknown
from contract.orders.policies import PayoutPolicy

router = page_router("/jobs")


@router.get("/compare")
def compare_jobs(
    request: Request,
    visitor: Reader,
    session: SessionDep,
    paging: PageDep,
    a: Annotated[str, Query(max_length=40)] = "",
    b: Annotated[str, Query(max_length=40)] = "",
) -> Response:
    """Two jobs beside each other; where one is missing, a choice among those that have succeeded."""
    listed, _ = service.list_valuations(session, visitor.caller, [ValuationStatus.SUCCEEDED], paging)
    shown: dict[str, Any] = {"jobs": listed, "a": a, "b": b, "pairs": None, "first": None, "second": None}
    if a and b:
        try:
            ids = [parse_id("val", each) for each in (a, b)]
        except ValueError as error:
            raise NotFound(f"there is no job to compare: {error}") from None
        first, second = (service.values(session, visitor.caller, each) for each in ids)
        jobs = [service.get(session, visitor.caller, each) for each in ids]
        shown |= {"pairs": compare(first, second), "first": first, "second": second, "orders": jobs}
    return page(request, "compare.html", shown, visitor=visitor)


@router.get("/{valuation_id}/what-if")
def show_what_if(
    request: Request,
    visitor: Reader,
    session: SessionDep,
    valuation_id: ValuationId,
    pool: Annotated[str, Query(max_length=30)] = "",
    policy: Annotated[str, Query(max_length=40)] = "",
) -> Response:
    """The pool divided as it would be with another amount or rule; nothing is carried out."""
    job = service.get(session, visitor.caller, valuation_id)
    error, answer = None, None
    try:
        if policy and policy not in set(PayoutPolicy):
            raise InvalidInput(unknown("policy", policy, PayoutPolicy))
        chosen = PayoutPolicy(policy) if policy else None
        answer = service.what_if(session, visitor.caller, valuation_id, pool.strip() or None, chosen)
    except InvalidInput as refused:
        error = refused
    shown = {
        "job": job, "id": public_id("val", valuation_id), "found": answer, "error": error,
        "pool": pool, "policy": policy, "policies": [each.value for each in PayoutPolicy],
    }  # fmt: skip
    return page(request, "what_if.html", shown, visitor=visitor, status=error.status if error else 200)
