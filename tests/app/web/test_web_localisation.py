"""A page has one language and one locale: words from catalogues without gaps, numbers and dates to match."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from markupsafe import Markup

from app.web import localisation, rendering

MOMENT = datetime(2026, 11, 23, 12, 5, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _english_again() -> Iterator[None]:
    yield
    localisation._current.set(localisation._ENGLISH)


@pytest.mark.parametrize(
    ("chosen", "accepted", "locale", "money", "when"),
    [
        (None, "", "en_GB", "€1,310.00", "23 Nov 2026, 12:05 UTC"),
        (None, "de-DE,de;q=0.9", "en_GB", "€1,310.00", "23 Nov 2026, 12:05 UTC"),
        ("de", "de-DE,de;q=0.9", "de_DE", "1.310,00\xa0€", "23.11.2026, 12:05:00 UTC"),
        ("xx", "en-GB,en", "en_GB", "€1,310.00", "23 Nov 2026, 12:05 UTC"),
        ("de", "???", "de", "1.310,00\xa0€", "23.11.2026, 12:05:00 UTC"),
    ],
)
def test_numbers_money_and_dates_follow_the_page_s_language(
    chosen: str | None, accepted: str, locale: str, money: str, when: str
) -> None:
    localisation._current.set(localisation.negotiated(chosen, accepted))
    assert str(localisation.locale()) == locale
    assert localisation.currency("1310.00", "EUR") == money
    assert localisation.moment(MOMENT) == when


def test_an_american_reads_dates_as_at_home() -> None:
    localisation._current.set(localisation.negotiated(None, "en-US,en;q=0.9"))
    assert localisation.moment(MOMENT).startswith("Nov 23, 2026")


def words() -> set[str]:
    """All words of templates, charts and maps that are for the catalogues."""
    templates = Path(rendering.HERE / "templates")
    found = {
        text.replace('\\"', '"')
        for file in [*templates.glob("*.html"), *templates.glob("*.svg"), *rendering.HERE.glob("*.py")]
        for text in re.findall(r'\b_\(\s*"((?:[^"\\]|\\.)+)"[,)]', file.read_text())
    }
    places = "".join((templates / name).read_text() for name in ("base.html", "_macros.html"))
    navigation = re.findall(r'\("/[a-z/-]*", "([^"]+)", "[a-z]+:[a-z]+"', places)
    assert len(found) > 400
    assert len(navigation) > 15
    return found | set(navigation)


@pytest.mark.parametrize("language", sorted(set(localisation.LANGUAGES) - {"en"}))
def test_a_catalogue_has_all_words_and_none_that_no_page_has(language: str) -> None:
    assert set(localisation.catalogue(language)) == words()


@pytest.mark.parametrize("language", sorted(set(localisation.LANGUAGES) - {"en"}))
def test_a_translation_has_the_places_and_the_markup_of_its_words(language: str) -> None:
    for english, words_ in localisation.catalogue(language).items():
        for mark in (r"\{[a-z]\}", r"<[^>]+>"):
            assert sorted(re.findall(mark, words_)) == sorted(re.findall(mark, english)), english


# pages that are wholly in the catalogues: whatever letters they show come from there or from data
_TRANSLATED = (
    "landing", "login", "new_job", "_estimate", "job", "_progress", "_by_class", "money", "dataset", "datasets",
    "earnings", "part", "_parts", "signing_in", "second_factor", "passkeys", "people",
    "keys", "audit", "trace", "_traced", "account", "accounts", "admin", "catalogue", "listing", "jobs", "error",
    "certificate", "consent", "consents", "wanted", "standing", "checkpoint", "checkpoints", "rows", "delivered",
    "ledger", "disputes", "search", "exploration", "explorations", "new_exploration", "webhook", "webhooks", "delivery",
    "onward", "waiting", "problem", "problems", "compare", "what_if", "share", "signup", "forgotten", "invitation",
    "password",
)  # fmt: skip


@pytest.mark.parametrize("page", _TRANSLATED)
def test_a_translated_page_has_no_words_of_its_own(page: str) -> None:
    text = (rendering.HERE / "templates" / f"{page}.html").read_text()
    text = re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", "", text, flags=re.DOTALL)
    text = re.sub(r"<code>.*?</code>|<pre .*?</pre>", "", text)
    left = [each.strip() for each in re.sub(r"<[^>]*>", "\n", text).splitlines()]
    words_ = {each for each in left if re.search("[A-Za-z]{2}", each)}
    assert words_ <= {"PDF", "HTML", "CSV", "JSON", "Parquet", "(PDF)", "SHA-256", "ms"}


def test_values_in_words_are_escaped_and_markup_is_kept() -> None:
    shown = localisation.gettext("Not drawn: {a}.", a="<script>")
    assert shown == "Not drawn: &lt;script&gt;."
    assert localisation.gettext("Not drawn: {a}.", a=Markup("<b>x</b>")) == "Not drawn: <b>x</b>."


def test_a_visitor_chooses_a_language_and_goes_back_to_where_it_was(app: FastAPI) -> None:
    here = TestClient(app, headers={"Accept": "text/html"}, follow_redirects=False)
    answer = here.get("/language/ar?back=/login")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    page = here.get("/login").text
    assert '<html lang="ar" dir="rtl"' in page
    assert "تسجيل الدخول" in page
    assert here.get("/language/de?back=https://evil.example").headers["location"] == "/"
    page = here.get("/").text
    assert '<html lang="de" dir="ltr"' in page
    assert "Ein Datenmarkt" in page
    assert here.get("/language/xx").status_code == 404


@pytest.mark.parametrize(("chosen", "cancelled"), [("en", "Cancelled"), ("de", "Abgebrochen"), ("ar", "أُلغي")])
def test_the_script_says_of_an_upload_what_the_page_has_for_it_in_its_language(chosen: str, cancelled: str) -> None:
    localisation._current.set(localisation.negotiated(chosen, ""))
    module: Any = rendering.TEMPLATES.get_template("_macros.html").module
    said = json.loads(str(module.upload_words()))
    script = (rendering.HERE / "static" / "cherish.js").read_text()
    assert set(re.findall(r'spoken\("(\w+)"\)', script)) == set(said)
    assert said["cancelled"].startswith(cancelled)
