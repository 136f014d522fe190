"""Forms: what is blank, how texts become numbers, and what of a form is refused before any page sees it."""

from collections.abc import Callable

import pytest
from httpx import Response

from app.errors import InvalidInput
from app.web.forms import MOST_FIELDS, PageForm, Texts, number, pairs, whole
from app.web.orders import OrderForm, form_of, order_of
from tests.app.conftest import Known
from tests.app.web.test_web_rules import Browser, browser

__all__ = ["browser"]

Open = Callable[[], Browser]


class Ticks(PageForm):
    """A form with a text, and a field that may come several times."""

    name: str = ""
    ticks: Texts


def test_texts_lose_their_surrounding_spaces_and_lists_their_blanks() -> None:
    form = Ticks.model_validate({"name": " two words ", "ticks": [" a", "", "  ", "b"], "csrf": "ignored"})
    assert (form.name, form.ticks) == ("two words", ["a", "b"])


@pytest.mark.parametrize(("text", "value"), [("", None), ("3", 3), ("3.0", 3), ("1e3", 1000)])
def test_a_whole_number_is_written_as_one_likes(text: str, value: int | None) -> None:
    assert whole("days", text) == value


@pytest.mark.parametrize("text", ["3.5", "nan", "inf", "three"])
def test_what_is_no_whole_number_is_refused_with_the_field_s_name(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"^max retrains: '"):
        whole("max_retrains", text)


def test_a_number_is_blank_or_digits() -> None:
    assert (number("share_ci", ""), number("share_ci", "0.5")) == (None, 0.5)
    with pytest.raises(InvalidInput, match="share ci: 'wide' is not a number; write digits"):
        number("share_ci", "wide")


def test_pairs_are_separated_as_one_likes() -> None:
    assert pairs("hidden=64, l2=0.001\nsteps=3") == {"hidden": 64.0, "l2": 0.001, "steps": 3.0}
    with pytest.raises(InvalidInput, match="'hidden' is not name=number"):
        pairs("hidden")


def test_a_form_that_orders_a_job_again_is_the_same_order() -> None:
    ids = [f"ds_{digit * 32}" for digit in "12"]
    form = OrderForm(
        datasets=ids, test_dataset=f"ds_{'3' * 32}", pool="10.00", share_ci="0.5", dispute_days="2", hyper="l2=0.5"
    )
    order = order_of(form)
    again = order_of(form_of(order, {"order": "17"}))
    assert again.metadata == {"order": "17"}
    assert again.model_copy(update={"metadata": order.metadata}) == order
    assert order.test_lot is None
    drawn = order_of(form.model_copy(update={"lot_percent": "25", "lot_alone": "yes", "test_first": "yes"}))
    assert drawn.test_lot is not None
    assert (drawn.test_lot.part, drawn.test_lot.beside, drawn.test_first) == (0.25, False, True)
    assert order_of(form_of(drawn, {})) == drawn
    opened = order_of(form.model_copy(update={"open_rows": "16"}))
    assert (order.payout.open_rows, opened.payout.open_rows) == (0, 16)
    assert order_of(form_of(opened, {})) == opened
    asking = order_of(form.model_copy(update={"rows": "yes", "attributions": "yes"}))
    assert (asking.rows, asking.attributions) == ("values", True)
    assert (drawn.rows, drawn.attributions) == ("none", False)
    assert order_of(form_of(asking, {})) == asking


def test_the_page_of_an_order_has_every_field_of_its_form(browser: Open, buyer: Known) -> None:
    page = browser().log_in(buyer).get("/jobs/new").text
    # ticked datasets are those of the catalogue, which is empty here; a test set is named where there is one
    fields = set(OrderForm.model_fields) - {"datasets", "test_dataset"}
    assert [name for name in sorted(fields) if f'name="{name}"' not in page] == []


def test_a_form_that_is_no_utf_8_is_refused_and_nothing_is_stored(browser: Open, buyer: Known) -> None:
    here = browser().log_in(buyer)
    before = len(buyer.client.get("/v1/keys").json()["items"])
    headers = {"Content-Type": "application/x-www-form-urlencoded", "X-CSRF-Token": here.token("/keys")}
    answer = here.post("/keys", content=b"name=%ff%fe", headers=headers)
    assert answer.status_code == 422
    assert "reload the page and send it again" in answer.text
    assert len(buyer.client.get("/v1/keys").json()["items"]) == before


def test_a_form_with_too_many_fields_is_refused(browser: Open, buyer: Known) -> None:
    here = browser().log_in(buyer)
    headers = {"Content-Type": "application/x-www-form-urlencoded", "X-CSRF-Token": here.token("/keys")}
    few, many = (
        here.post("/keys", content="name=x" + "&a=b" * count, headers=headers) for count in (1500, MOST_FIELDS)
    )
    assert few.status_code == 201
    assert many.status_code == 422
    assert "reload the page" in many.text


def test_a_form_without_a_model_is_checked_and_in_the_audit_log_too(browser: Open, buyer: Known) -> None:
    here = browser().log_in(buyer)
    key = buyer.client.post("/v1/keys", json={"name": "old"}).json()["id"]
    assert here.post(f"/keys/{key}/revoke").status_code == 403
    assert here.fill(f"/keys/{key}/revoke", "/keys", why="lost", password="never told").status_code == 303
    entry = buyer.client.get("/v1/audit").json()["items"][0]
    assert (entry["action"], entry["object"], entry["detail"]) == ("revoke_key", key, {"why": "lost"})


def test_an_upload_that_is_a_form_is_refused_unread(browser: Open, buyer: Known) -> None:
    here = browser().log_in(buyer)
    made = here.fill("/checkpoints", "/checkpoints", name="weights", architecture="logistic")
    headers = {"X-CSRF-Token": here.token("/checkpoints")}
    answer = here.put(made.json()["content"], files={"file": b"PK"}, headers=headers)
    assert answer.status_code == 415
    assert "not a form" in answer.text


def test_a_page_can_declare_how_its_file_is_written(browser: Open, buyer: Known) -> None:
    here = browser().log_in(buyer)
    assert 'data-reading="columns"' in here.get("/datasets").text
    made = here.fill("/datasets", "/datasets", name="test", target="label").json()
    token = {"X-CSRF-Token": here.token("/datasets")}
    bare = b"1|x\n2|y\n3|x\n"

    def sent(query: str) -> Response:
        address = f"{made['page']}/uploads{query}"
        begun = here.post(address, headers=token | {"Upload-Length": str(len(bare))})
        assert begun.status_code == 201, begun.text
        answer: Response = here.patch(begun.json()["upload"], content=bare, headers=token | {"Upload-Offset": "0"})
        return answer

    refused = sent("")
    assert refused.status_code == 422
    assert "give <code>columns</code>" in refused.text
    stored = sent("?columns=a&columns=label")
    assert stored.status_code == 200, stored.text
