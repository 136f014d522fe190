"""Labels of strangers meet: which are spelled nearly alike, and whose are hardly in the test set. Nothing is merged.

Labels were trimmed and matched exactly before. Two that differ in case, in spaces, dots or quotes around them, or in
Unicode's forms are PROPOSED as one class; an order that agrees says so in its ``label_map``. What is said of a provider
names the test set's labels and its own spelling of them, and no other label of its file.
"""

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from contract.rows.findings import Finding, Severity

# fewer of a provider's rows than this have a label of the test set: its data can hardly be of worth
FEW = 0.5
# how people write the two answers, each pair in one order
_ANSWERS = (
    ("0", "1"),
    ("no", "yes"),
    ("n", "y"),
    ("false", "true"),
    ("f", "t"),
    ("neg", "pos"),
    ("negative", "positive"),
)


@dataclass(frozen=True)
class LabelFindings:
    """What is said of the test set's labels, and of each player's."""

    test: tuple[Finding, ...]
    players: tuple[tuple[Finding, ...], ...]


def plain_label(label: str) -> str:
    """A label without case, and without the spaces, dots and quotes around it."""
    return unicodedata.normalize("NFKC", label).casefold().strip(" \t\u00a0.,;:'\"`“”‘’")


def label_findings(
    target: str, test: Mapping[str, int], players: Sequence[Mapping[str, int]], name: str = "the test set"
) -> LabelFindings:
    """Findings from how many rows have each label, in the test set and in each player's files."""
    spelling = _spelling(test, players)
    return LabelFindings(
        tuple(_respelled(target, test, {}, spelling)),
        tuple(
            (*_respelled(target, counts, test, spelling), *_foreign(target, counts, test, spelling, name))
            for counts in players
        ),
    )


def spelled_alike(target: str, counts: Mapping[str, int]) -> list[Finding]:
    """What is said of one file's own labels that are nearly alike, by how many of its rows have each."""
    return _respelled(target, counts, {}, _spelling({}, [counts]))


def _spelling(test: Mapping[str, int], players: Sequence[Mapping[str, int]]) -> dict[str, str]:
    """The spelling that is proposed for each label without case and marks: the test set's most frequent one, else the
    providers' most frequent one."""
    chosen: dict[str, str] = {}
    everybody: Counter[str] = Counter()
    for counts in players:
        everybody.update(counts)
    for counts in (test, everybody):
        for label in sorted(counts, key=lambda each: (-counts[each], each)):
            chosen.setdefault(plain_label(label), label)
    return chosen


def _respelled(
    target: str, counts: Mapping[str, int], test: Mapping[str, int], spelling: Mapping[str, str]
) -> list[Finding]:
    findings = []
    for label in sorted(counts):
        meant = spelling.get(plain_label(label), label)
        if meant == label or label in test:
            continue
        findings.append(
            Finding(
                code="label_spelling",
                severity=Severity.WARN,
                detail=f"`{label}` in `{target}` is another class than `{meant}`, which is spelled nearly alike",
                mend=f'if they are one class, say label_map {{"{label}": "{meant}"}}',
                column=target,
                rows=counts[label],
                share=round(counts[label] / sum(counts.values()), 6),
            )
        )
    return findings


def _foreign(
    target: str, counts: Mapping[str, int], test: Mapping[str, int], spelling: Mapping[str, str], name: str
) -> list[Finding]:
    rows = sum(counts.values())
    foreign = sum(count for label, count in counts.items() if label not in test)
    if not foreign:
        return []
    known = 1.0 - foreign / rows
    how_many = "none" if foreign == rows else "few" if known < FEW else "not all"
    severity = Severity.WARN if known < FEW else Severity.NOTE
    proposed = _answers(counts, test) or {
        label: spelling[plain_label(label)]
        for label in sorted(counts)
        if label not in test and spelling[plain_label(label)] in test
    }
    mend = "" if severity is Severity.NOTE else "have the labels corrected, or leave the dataset out"
    if proposed:
        pairs = ", ".join(f'"{old}": "{new}"' for old, new in proposed.items())
        mend = f"if they mean the same, say label_map {{{pairs}}}"
    detail = f"{how_many} of the rows have a label in `{target}` that {name} has ({rows - foreign} of {rows})"
    return [
        Finding(
            code="foreign_labels",
            severity=severity,
            detail=detail,
            mend=mend,
            column=target,
            rows=foreign,
            share=round(foreign / rows, 6),
        )
    ]


def _answers(counts: Mapping[str, int], test: Mapping[str, int]) -> dict[str, str]:
    """The two answers of a file in the test set's words, where both are among the ways in which people write them."""
    here, there = ({plain_label(label): label for label in labels} for labels in (counts, test))
    pair = next((pair for pair in _ANSWERS if here.keys() <= set(pair)), None)
    other = next((pair for pair in _ANSWERS if there.keys() <= set(pair)), None)
    if pair is None or other is None or pair == other:
        return {}
    return {here[old]: there[new] for old, new in zip(pair, other, strict=True) if old in here and new in there}
