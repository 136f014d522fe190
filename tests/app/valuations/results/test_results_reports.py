"""The report: every figure and sentence of a result in one page that loads and runs nothing, and the same as PDF."""

import re
from html.parser import HTMLParser

import pytest

from app.valuations.results.evidence import Pair
from app.valuations.results.reports import Report, to_html, to_pdf
from tests.app.valuations.results.samples import payouts, player, values

PAIRS = [Pair(1, 0.2, 0.25), Pair(2, 0.5, 0.45), Pair(3, 0.7, 0.7)]
NASTY = '<script>alert("x")</script>&'


def report(pairs: list[Pair] | None = None, **changes: object) -> Report:
    return Report(values(**changes), payouts(), {"metric": "accuracy"}, PAIRS if pairs is None else pairs)


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
        shown.provider, f"{shown.value:.4f}", "13.10 %", "1310.00 EUR", whole.payouts.plan_digest,
        *whole.values.digests.values(), *whole.payouts.terms, *whole.payouts.explanation, *whole.summary(),
    ):  # fmt: skip
        assert words in page.text


def test_names_and_notes_are_text_and_never_markup() -> None:
    page = Page(to_html(report(players=[player(provider=NASTY)], notes=[NASTY])))
    assert "script" not in page.tags
    assert page.text.count(NASTY) == 2
    assert page.sources == [], "it loads nothing"


def test_the_audit_is_drawn_with_a_point_for_each_pair_and_left_out_where_there_are_fewer_than_two() -> None:
    assert to_html(report()).count("<circle") == len(PAIRS)
    assert "The audit" not in to_html(report(PAIRS[:1]))


def test_bars_stay_in_the_drawing_whatever_the_values() -> None:
    players = [player(value=value, value_ci=[value - 1, value + 1]) for value in (-5.0, 0.0, 1e6)]
    drawing = to_html(report(players=players)).split("<svg")[1].split("</svg>")[0]
    for x, width in re.findall(r'<rect x="([\d.]+)" y="[-\d]+" width="([\d.]+)"', drawing):
        assert 190.0 <= float(x) <= 630.0
        assert float(x) + float(width) <= 630.6


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


def test_the_pdf_repeats_to_the_byte_and_takes_any_letters() -> None:
    odd = report(players=[player(provider="Ж 数 – é", value=-0.5)])
    first = to_pdf(odd)
    assert first.startswith(b"%PDF-")
    assert to_pdf(odd) == first
    assert b"D:20261207120100Z" in first, "its date is the settlement's, and not that of the moment"
