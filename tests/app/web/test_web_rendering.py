"""What pages show of values: amounts and times with the plain value beside, a dash where there is none, nothing raw."""

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi import FastAPI, Request
from jinja2 import UndefinedError

from app.errors import NotFound, Unauthorized
from app.settings import Settings
from app.web import rendering


def test_a_time_is_in_utc_until_the_script_says_it_in_the_viewer_s_zone() -> None:
    moment = datetime(2026, 11, 23, 12, 5, tzinfo=UTC)
    assert rendering.moment(moment) == '<time datetime="2026-11-23T12:05:00+00:00">23 Nov 2026, 12:05 UTC</time>'


def test_an_amount_carries_its_plain_value_and_no_markup_of_others() -> None:
    assert rendering.amount("1310.00", "EUR") == (
        '<data class="money" value="1310.00" data-currency="EUR">€1,310.00</data>'
    )
    assert "<script>" not in rendering.amount("1", "<script>")


@pytest.mark.parametrize(
    "shown",
    [
        rendering.moment(None),
        rendering.amount(None, "EUR"),
        rendering.percent(None),
        rendering.number(None),
        rendering.whole(None),
        rendering.duration(None),
        rendering.size(None),
    ],
)
def test_what_there_is_none_of_is_a_dash_and_never_a_zero(shown: str) -> None:
    assert "—" in shown
    assert "0" not in shown


def test_numbers_are_written_as_people_write_them() -> None:
    assert rendering.percent(0.1234) == "12.3\N{NO-BREAK SPACE}%"
    assert rendering.percent(0.1234, 0) == "12\N{NO-BREAK SPACE}%"
    assert rendering.number(-0.5) == "−0.5000"
    assert rendering.whole(1234567) == "1,234,567"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.0, "0.0 s"),
        (59.94, "59.9 s"),
        (60.0, "1 min 0 s"),
        (3599.9, "59 min 59 s"),
        (3600.0, "1 h 0 min"),
        (90061.0, "25 h 1 min"),
    ],
)
def test_a_duration_is_in_the_units_of_its_size(seconds: float, shown: str) -> None:
    assert rendering.duration(seconds) == shown


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (2_500_000, "2.5 MB"), (7 * 10**12, "7000.0 GB")],
)
def test_a_size_is_in_the_units_of_its_size(count: int, shown: str) -> None:
    assert rendering.size(count) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [("no such job", "No such job."), ("Wait!", "Wait!"), ("really?", "Really?"), ("done.", "Done."), ("", "")],
)
def test_an_error_s_words_are_a_sentence_of_the_page(text: str, shown: str) -> None:
    assert rendering.sentence(text) == shown


def test_a_static_file_s_address_changes_with_its_content() -> None:
    path = next(file.name for file in (rendering.HERE / "static").iterdir() if file.suffix == ".css")
    address = rendering.static(path)
    assert address.startswith(f"/static/{path}?v=")
    assert len(address.rpartition("=")[2]) == 12
    with pytest.raises(FileNotFoundError):
        rendering.static("absent.css")


def test_a_template_escapes_what_it_is_given_and_names_what_it_is_not_given() -> None:
    made = rendering.environment()
    assert made.from_string("{{ name }}").render(name="<b>") == "&lt;b&gt;"
    with pytest.raises(UndefinedError):
        made.from_string("{{ misspelt }}").render()
    assert made.from_string("{{ id | pid('ds') }}").render(id=uuid.UUID(int=1)) == f"ds_{1:032x}"


@pytest.fixture
def request_to() -> Any:
    app = FastAPI()
    app.state.settings = Settings()

    def make(path: str, *headers: tuple[bytes, bytes]) -> Request:
        return Request({"type": "http", "method": "GET", "path": path, "headers": list(headers), "app": app})

    return make


def test_whoever_is_not_logged_in_is_sent_to_the_login_and_back_afterwards(request_to: Any) -> None:
    error = Unauthorized("log in to see this page")
    sent = rendering.error_page(request_to("/jobs/val 1"), error)
    assert (sent.status_code, sent.headers["location"]) == (303, "/login?next=/jobs/val%201")
    part = rendering.error_page(request_to("/jobs", (b"hx-request", b"true")), error)
    assert (part.status_code, part.headers["HX-Redirect"]) == (401, "/login?next=/jobs")
    # the login itself says what was wrong with the login
    assert rendering.error_page(request_to("/login"), error).status_code == 401


def test_an_error_is_a_whole_page_or_a_part_of_one_as_it_was_asked_for(request_to: Any) -> None:
    error = NotFound("there is no job <b>")
    whole = rendering.error_page(request_to("/jobs/1"), error)
    part = rendering.error_page(request_to("/jobs/1", (b"hx-request", b"true")), error)
    assert (whole.status_code, part.status_code) == (404, 404)
    assert b"<html" in bytes(whole.body)
    assert b"<html" not in bytes(part.body)
    for answer in (whole, part):
        assert b"here is no job &lt;b&gt;" in bytes(answer.body)


def test_a_page_is_kept_by_no_cache_allows_no_inline_code_and_knows_two_themes(request_to: Any) -> None:
    error = NotFound("nothing there")
    answer = rendering.page(request_to("/x"), "error.html", {"error": error, "request_id": None}, visitor=None)
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert "unsafe-inline" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["Content-Length"] == str(len(answer.body))
    for sent, shown in ((b"dark", True), (b"<b>", False)):
        request = request_to("/x", (b"cookie", b"theme=" + sent))
        body = bytes(rendering.page(request, "error.html", {"error": error, "request_id": None}, visitor=None).body)
        assert (b'data-theme="dark"' in body) is shown
        assert b'data-theme="<b>"' not in body


def test_after_a_form_the_browser_is_sent_on(request_to: Any) -> None:
    sent = rendering.see_other("/jobs")
    assert (sent.status_code, sent.headers["location"]) == (303, "/jobs")
