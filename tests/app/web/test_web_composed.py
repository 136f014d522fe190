"""Composed sentences on pages: catalogues say what the sources say, and values stay in their places."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from app.main import create_app
from app.settings import Settings
from app.valuations.states import Reason
from app.web import localisation
from app.web.composed import catalogue, composed, translated
from app.web.endpoints import _meaning, kinds
from contract.learning.learners import LEARNERS
from contract.metrics import METRICS
from contract.orders.estimators import RULES
from contract.orders.policies import PLAYERS
from contract.orders.spec import FIDELITIES, MODES

ROOT = Path(__file__).parents[3]
LANGUAGES = sorted(set(localisation.LANGUAGES) - {"en"})


def template(node: ast.AST) -> str | None:
    """A string of a source as catalogues have it: ``{a}``, ``{b}``, … for what is put in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return lettered(node.value.split("{}")) if node.value.count("{}") > 1 else node.value
    if isinstance(node, ast.JoinedStr):
        parts = [""]
        for each in node.values:
            if isinstance(each, ast.Constant):
                parts[-1] += str(each.value)
            else:
                parts.append("")
        return lettered(parts)
    return None


def lettered(parts: list[str]) -> str:
    return parts[0] + "".join(f"{{{letter}}}{part}" for letter, part in zip("abcdefghijkl", parts[1:], strict=False))


@cache
def spoken() -> frozenset[str]:
    """All strings of the sources, what errors mean, and the actions of the audit log."""
    files = [path for room in ("app", "contract", "worker") for path in (ROOT / room).rglob("*.py")]
    found = {
        said.strip()
        for path in files
        for node in ast.walk(ast.parse(path.read_text()))
        if (said := template(node)) is not None
    }
    reasons = {reason.value.replace("_", " ") for reason in Reason}
    return frozenset(found | {_meaning(kind) for kind in kinds().values()} | set(actions()) | reasons)


def actions() -> Iterator[str]:
    """What changes are called in the audit log, as its page writes them."""

    def changing(routes: list[object]) -> Iterator[str]:
        for route in routes:
            if (inner := getattr(route, "original_router", None)) is not None:
                yield from changing(inner.routes)
            elif {"POST", "PUT", "PATCH", "DELETE"} & set(getattr(route, "methods", None) or ()):
                yield str(getattr(route, "name", ""))

    names = {*changing(list(create_app(Settings()).routes)), "sign_in", "disclose_dataset", "provider_sign_out"}
    return (name.replace("_", " ") for name in names)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_entry_is_a_sentence_of_the_sources(language: str) -> None:
    assert {english for english in catalogue(language) if english.strip() not in spoken()} == set()


def test_all_languages_have_the_same_entries_with_the_same_places() -> None:
    first, *others = (catalogue(language) for language in LANGUAGES)
    assert len(first) > 350
    for other in others:
        assert set(other) == set(first)
    for language in LANGUAGES:
        for english, said in catalogue(language).items():
            marks = r"\{[a-z]\}|`[^`]+`"
            assert sorted(re.findall(marks, said)) == sorted(re.findall(marks, english)), english


@pytest.mark.parametrize("language", LANGUAGES)
def test_names_that_pages_show_are_in_the_catalogue(language: str) -> None:
    """Actions of the audit log, kinds of errors, metrics, models and settings of an order."""
    shown = {*actions(), *(learner.title for learner in LEARNERS.values())}
    shown |= {reason.value.replace("_", " ") for reason in Reason}
    shown |= {words for kind in kinds().values() for words in (kind.title, _meaning(kind))}
    for settings in (PLAYERS, MODES, FIDELITIES, RULES):
        shown |= set(settings.values())
    shown |= {metric.title for metric in METRICS.values()} - {"F1 (macro)", "ROC AUC"}
    assert shown - set(catalogue(language)) == set()


@pytest.mark.parametrize("file", ["orders/terms.py", "results/wording.py", "results/division.py"])
def test_terms_and_results_have_no_sentence_that_is_not_in_the_catalogue(file: str) -> None:
    tree = ast.parse((ROOT / "app/valuations" / file).read_text())
    told = [node for node in ast.walk(tree) if not isinstance(node, ast.Raise)]
    refused = {
        id(node) for each in ast.walk(tree) if isinstance(each, (ast.Raise, ast.Assert)) for node in ast.walk(each)
    }
    inner = {id(part) for node in told if isinstance(node, ast.JoinedStr) for part in node.values}
    docs = {id(node.value) for node in told if isinstance(node, ast.Expr)}
    sentences = {
        said.strip()
        for node in told
        if id(node) not in refused | inner | docs
        and (said := template(node)) is not None
        and re.search(r"[a-z]{2,} [a-z`{]", _bare(said))
    }
    assert len(sentences) > 3
    assert sentences - {english.strip() for english in catalogue("de")} == set()


def _bare(said: str) -> str:
    return re.sub(r"\{[a-z]\}", "", said)


def test_a_sentence_keeps_its_values_and_says_numbers_as_its_language_does() -> None:
    said = translated("Asked for intervals of at most 2 points; that was not reached: the widest is 21.49."
                      " No more computing would narrow it.", "de")  # fmt: skip
    assert said == (
        "Bestellt: Intervalle von höchstens 2 Punkten; das wurde nicht erreicht: Das breiteste ist 21,49 breit."
        " Weiteres Rechnen würde es nicht verengen."
    )
    assert translated("Of that, 3.00 EUR is released now, 1.00 EUR is held for 60 seconds.", "de") == (
        "Davon: 3.00 EUR jetzt ausgezahlt, 1.00 EUR für 60 Sekunden einbehalten."
    )
    chosen = "the most frequent class, chosen by the same test rows that measure worths"
    baseline = f"The baseline, which you have without anybody's data, is {chosen}."
    said = translated(f"{baseline} No combination counts as less.", "de")
    assert "die häufigste Klasse, nach denselben Testzeilen gewählt" in said
    assert translated("in proportion to its value among those who are paid", "de") == (
        "im Verhältnis zu seinem Wert unter denen, die bezahlt werden"
    )


def test_what_no_entry_fits_stays_as_it_is() -> None:
    assert translated("Nobody has written this. In proportion, perhaps.", "de") == (
        "Nobody has written this. In proportion, perhaps."
    )
    assert translated("in proportion to its value", "en") == "in proportion to its value"


def test_names_of_visitors_in_a_sentence_are_escaped() -> None:
    localisation._current.set(localisation.negotiated("de", ""))
    try:
        said = composed("column `<b>x</b>` is missing in every row")
        assert said == "Spalte <code>&lt;b&gt;x&lt;/b&gt;</code> fehlt in jeder Zeile"
    finally:
        localisation._current.set(localisation._ENGLISH)
