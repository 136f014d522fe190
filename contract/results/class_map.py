"""What each player did for each class of the test set: typed, as a worker writes it and pages and API read it.

A class counts by its recall: the part of its test rows that a model answers right. A player's contribution to a class
is its Shapley value in the game of that recall, so the contributions to a class add up to the recall with everybody
less that with nobody, and weighted by the classes' frequencies to values by accuracy. Whatever is told is rounded to
hundredths, and of classes with few test rows nothing is (docs/disclosure.md).
"""

from contract.document import Document

QUESTION = "by class"
"""How the question is named beside metrics; no metric's name has a space."""

LEAST_ROWS = 10
"""Test rows under which nothing is told of a class."""

MOST_CLASSES = 40
"""Classes that are told, the most frequent first."""


class TestClass(Document):
    """A class: its name, its test rows, and the recall of nobody's and of everybody's model."""

    __test__ = False  # for pytest: this is no test

    name: str
    rows: int
    nobody: float
    everybody: float


class ClassContributions(Document):
    """``values`` [n][C] in recall, by player of the game and class, their 95 % intervals ``low`` to ``high`` (empty in
    documents from before they were told), and whether each is apart from 0 for certain (``sure``). Intervals hold the
    chance of the test rows and, where not all combinations are known (``exact``), of estimating. ``source`` made the
    models. ``untold`` are the classes with too few test rows, or beyond the most that are told."""

    source: str
    exact: bool
    classes: tuple[TestClass, ...]
    values: tuple[tuple[float, ...], ...]
    sure: tuple[tuple[bool, ...], ...]
    low: tuple[tuple[float, ...], ...] = ()
    high: tuple[tuple[float, ...], ...] = ()
    untold: tuple[str, ...] = ()
