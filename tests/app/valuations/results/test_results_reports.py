"""The report: every figure and sentence of a result in one page that loads and runs nothing, and the same as PDF."""

import io
import re
import unicodedata
from html.parser import HTMLParser

import pypdf
import pytest

from app.valuations.results.evidence import Pair
from app.valuations.results.reports import Report, to_html, to_pdf
from tests.app.valuations.results.samples import MOMENT, payouts, player, values

PAIRS = [Pair(1, 0.2, 0.25), Pair(2, 0.5, 0.45), Pair(3, 0.7, 0.7)]
BUYER = "Königliches Krankenhaus 北京"
NASTY = '<script>alert("x")</script>&'


def report(pairs: list[Pair] | None = None, **changes: object) -> Report:
    return Report(values(**changes), payouts(), "accuracy", PAIRS if pairs is None else pairs, BUYER, MOMENT)


class Page(HTMLParser):
    """The elements of a page, what they point at, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sources: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.sources += [value or "" for name, value in attrs if name in ("src", "href", "action")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_says_who_is_worth_what_who_is_paid_and_by_which_digests() -> None:
    whole = report()
    page = Page(to_html(whole))
    shown = whole.values.players[0]
    for words in (
        BUYER, "2026-11-23 12:00 UTC", shown.provider, f"{shown.value:.4f}", "13.10 %", "1310.00 EUR",
        whole.payouts.plan_digest,
        *whole.values.digests.values(), *whole.payouts.terms, *whole.payouts.explanation, *whole.summary(),
    ):  # fmt: skip
        assert words in page.text


def test_names_and_notes_are_text_and_never_markup() -> None:
    page = Page(to_html(report(players=[player(provider=NASTY)], notes=[NASTY])))
    assert "script" not in page.tags
    assert page.text.count(NASTY) == 3, "its bar, its row, the note"
    assert page.sources == [], "it loads nothing"


def test_the_audit_is_drawn_with_a_point_for_each_pair_and_left_out_where_there_are_fewer_than_two() -> None:
    assert to_html(report()).count("<circle") == len(PAIRS)
    assert "The audit" not in to_html(report(PAIRS[:1]))


def test_a_player_without_a_share_or_an_interval_is_drawn_all_the_same() -> None:
    lone = player(share=None, share_ci=None, share_band=None, value_ci=None, value=0.0)
    assert "Provider A" in Page(to_html(report(players=[lone]))).text


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"retrain_seconds_estimate": 238.0}, "is estimated at 238.0 s"),
        ({"shares_note": "Shares cannot be said."}, "Shares cannot be said."),
        ({"audit": {"sentence": "Unlearning was close."}}, "Unlearning was close."),
        ({"checked": {"worths": 4, "by_another_worker": 0}}, "4, by the same worker"),
        ({"notes": ["A note."]}, "A note."),
        (
            {"domains": [{"domain": "legal", "tokens": 7, "base": 21.4, "full": 14.9}]},
            "Perplexity per token on legal (7 tokens): 21.40 of the base, 14.90 with everybody.",
        ),
    ],
)
def test_the_summary_says_what_is_known_and_no_more(change: dict[str, object], sentence: str) -> None:
    silent: dict[str, object] = {
        "retrain_seconds_estimate": None, "shares_note": None, "audit": {}, "checked": None, "notes": [], "domains": [],
    }  # fmt: skip
    assert not any(sentence in each for each in report(**silent).summary())
    assert any(sentence in each for each in report(**silent | change).summary())


def printed(whole: Report) -> str:
    """The text of the PDF, letters that a face joins taken apart again."""
    pages = pypdf.PdfReader(io.BytesIO(to_pdf(whole))).pages
    return unicodedata.normalize("NFKC", "\n".join(page.extract_text() for page in pages))


def squeezed(text: str) -> str:
    """Without the white space at which lines were broken."""
    return re.sub(r"\s", "", text)


def test_every_name_is_on_paper_with_all_columns_the_largest_share_first() -> None:
    names = ["华东第一人民医院", "A" * 160, "서울대학교병원", "Ærø – Ж", "東京データ", "Same", "Same"]
    players = [
        player(provider=name, position=at, share=(at + 1) / 28, datasets=[f"ds_{at:032x}"], value=0.01 * at)
        for at, name in enumerate(names)
    ]
    text = printed(report(players=players))
    for words in (*names, BUYER, "2026-11-23 12:00 UTC", "1310.00 EUR", "0.1070 to 0.1170", "12.40 % to 13.80 %"):
        assert squeezed(words) in squeezed(text)
    assert "00000005" in text, "datasets of one provider are told apart"
    assert text.index("東京データ") < text.index("Ærø") < text.index("华东第一人民医院")
    assert "?" not in text


def test_names_that_are_written_from_the_right_are_on_paper() -> None:
    text = printed(report(players=[player(provider="مستشفى الملك فيصل"), player(provider="עיריית חיפה", position=1)]))
    # the reader puts words in the order in which they stand on paper
    for word in ("مستشفى", "الملك", "فيصل", "עיריית", "חיפה"):
        assert word in text


def test_the_pdf_repeats_to_the_byte_and_bears_the_settlement_s_date() -> None:
    odd = report(players=[player(provider="Ж 数 – é", value=-0.5)])
    first = to_pdf(odd)
    assert first.startswith(b"%PDF-")
    assert to_pdf(odd) == first
    written = pypdf.PdfReader(io.BytesIO(first)).metadata
    assert written is not None
    assert written.creation_date == odd.payouts.disputable_until, "not that of the moment"
    assert written.title == odd.title
