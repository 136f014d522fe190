"""Which datasets to buy: a buyer's explorations, a new one, and what one found. Numbers are the room's, in steps."""

from typing import Annotated, Any

from fastapi import Form, Query, Request, Response
from pydantic import Field, ValidationError
from starlette.concurrency import run_in_threadpool

from app.datasets import service as datasets
from app.datasets.tables import DatasetKind, DatasetStatus
from app.errors import CherishError, FieldError, InvalidInput
from app.http.deferred import answered
from app.http.deps import BlobsDep, PageDep, SessionDep, SettingsDep
from app.http.ids import ExplorationId, public_id
from app.http.pages import PageRequest
from app.http.validation import broken_rules
from app.identity import Role
from app.valuations.explorations import service
from app.valuations.explorations.schemas import NewExploration
from app.valuations.states import TERMINAL
from app.web import charts
from app.web.forms import PageForm, Texts, lines, whole
from app.web.rendering import page, see_other
from app.web.routes import page_router
from app.web.visitors import Visitor, visiting
from contract.learning.learners import ARCHITECTURES, LEARNERS
from contract.metrics import METRICS

router = page_router("/explorations")

Reader = Annotated[Visitor, visiting("valuations:read", Role.BUYER)]
Buyer = Annotated[Visitor, visiting("valuations:write", Role.BUYER)]


class ExplorationForm(PageForm):
    """An exploration as its page sends it."""

    datasets: Texts = Field(default_factory=list)
    datasets_text: str = ""
    q: str = ""
    most: str = ""
    beside: str = ""
    difference: str = ""
    test_dataset: str = ""
    model: str = ""
    metric: str = ""
    budget: str = ""
    currency: str = ""
    purpose: str = ""
    territory: str = ""
    label: str = ""

    def named(self) -> list[str]:
        """The dataset ids, ticked or written, each once."""
        return list(dict.fromkeys([*self.datasets, *lines(self.datasets_text)]))


@router.get("")
def list_explorations(request: Request, visitor: Reader, session: SessionDep, paging: PageDep) -> Response:
    items, following = service.page_of(session, visitor.caller, paging)
    return page(request, "explorations.html", {"items": items, "next": following}, visitor=visitor)


@router.get("/new")
def new_exploration(
    request: Request,
    visitor: Buyer,
    session: SessionDep,
    paging: PageDep,
    datasets: Annotated[list[str] | None, Query(max_length=1000)] = None,
    q: Annotated[str, Query(max_length=200)] = "",
    beside: Annotated[str, Query(max_length=40)] = "",
) -> Response:
    """An empty question; or one about what was ticked or looked for in the catalogue, or beside a job."""
    form = ExplorationForm(datasets=datasets or [], q=q, beside=beside)
    return _form_page(request, visitor, session, paging, form, None)


@router.post("")
async def explore(
    request: Request,
    visitor: Buyer,
    session: SessionDep,
    blobs: BlobsDep,
    settings: SettingsDep,
    paging: PageDep,
    form: Annotated[ExplorationForm, Form()],
) -> Response:
    caller = visitor.caller
    try:
        order = await run_in_threadpool(_order_of, form)

        def read() -> None:
            service.read_files(session, blobs, settings, caller, order)

        def post() -> str:
            # a savepoint: a refused question leaves nothing, and its form is shown again in the same transaction
            with session.begin_nested():
                return public_id("exp", service.post(session, blobs, settings, caller, order).id)

        await answered(request, session, caller.account_id, read)
        name = await run_in_threadpool(post)
    except CherishError as error:
        return await run_in_threadpool(_form_page, request, visitor, session, paging, form, error)
    return see_other(f"/explorations/{name}")


@router.get("/{exploration_id}")
def show_exploration(
    request: Request, visitor: Reader, session: SessionDep, settings: SettingsDep, exploration_id: ExplorationId
) -> Response:
    exploration = service.describe(session, settings, service.get(session, visitor.caller, exploration_id))
    shown = {"found": exploration, "over": exploration.status in TERMINAL, "id": public_id("exp", exploration_id)}
    names = {line.dataset_id: line.name for line in exploration.ranked}
    shown |= {"names": names, "drawn": charts.best_sets(exploration.sets) if len(exploration.sets) > 1 else None}
    return page(request, "exploration.html", shown, visitor=visitor)


@router.post("/{exploration_id}/cancel")
def cancel_exploration(
    visitor: Buyer, session: SessionDep, settings: SettingsDep, exploration_id: ExplorationId
) -> Response:
    service.cancel(session, settings, visitor.caller, exploration_id)
    return see_other(f"/explorations/{public_id('exp', exploration_id)}")


def _order_of(form: ExplorationForm) -> NewExploration:
    """What the form asks; raises InvalidInput naming its fields."""
    named, most = form.named(), whole("most", form.most)
    search = {"q": form.q or None, **({} if most is None else {"most": most})}
    fields: dict[str, Any] = {
        "datasets": named,
        "search": None if named else search,
        "budget": form.budget,
        "purpose": form.purpose,
        "territory": form.territory.upper(),
        "metadata": {"name": form.label} if form.label else None,
    }
    if form.beside:
        fields |= {"beside": form.beside, "difference": True if form.difference else None}
    else:
        fields |= {
            "test_dataset": form.test_dataset,
            "model": {"name": form.model or "logistic"},
            "metric": form.metric or "accuracy",
            "currency": (form.currency or "EUR").upper(),
        }
    try:
        return NewExploration.model_validate({name: each for name, each in fields.items() if each not in (None, "")})
    except ValidationError as error:
        faults = [FieldError(rule.pointer, rule.sentence, rule.kind) for rule in broken_rules(error.errors())]
        raise InvalidInput("; ".join(fault.detail for fault in faults), errors=faults) from None


def _form_page(
    request: Request,
    visitor: Visitor,
    session: SessionDep,
    paging: PageDep,
    form: ExplorationForm,
    error: CherishError | None,
) -> Response:
    newest = PageRequest(200, None, paging.secret)
    tests, _ = datasets.list_own(session, visitor.caller, DatasetKind.TEST, DatasetStatus.READY, newest)
    shown = {
        "form": form,
        "error": error,
        "tests": tests,
        # those that need no model below them
        "models": {name: each for name, each in LEARNERS.items() if not ARCHITECTURES[each.name].needs_base},
        "metrics": METRICS,
    }
    return page(request, "new_exploration.html", shown, visitor=visitor, status=error.status if error else 200)
