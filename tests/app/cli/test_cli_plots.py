"""The picture of a result shows each provider by rank, the path of the precision, and the audit where there was one."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from app.cli.valuing.plots import draw
from contract.orders.spec import ValuationSpec
from contract.results.result import Audit, PlayerResult, TraceRow, ValuationResult, WorthRow


def player(name: str, value: float) -> PlayerResult:
    band = (value - 0.1, value + 0.1)
    return PlayerResult(name, 10, name, value, 0.05, band, 0.5, (0.4, 0.6), band, (0.4, 0.6))


def result(*worths: WorthRow) -> ValuationResult:
    counts = {"unlearn": 2, "repair": 0, "retrain": 2}
    return ValuationResult(
        players=(player("high", 0.4), player("low", -0.1)),
        covariance=(),
        empty_worth=0.1,
        full_worth=0.4,
        estimator="exact",
        source="retrain",
        evaluations=counts,
        audit=Audit("audited", ""),
        bake_off=(),
        stopped_by="share_ci",
        notes=(),
        shares_note=None,
        seconds=1.0,
        seconds_by_source={},
        retrain_seconds_estimate=None,
        costs={},
        spec=ValuationSpec(),
        digests={},
        trace=(TraceRow(1, counts, (), (), (), 5.0, None), TraceRow(2, counts, (), (), (), 2.0, None)),
        worths=worths,
    )


RETRAINED = WorthRow("retrain", "retrain", ("high",), 0.3, 1.0)
UNLEARNED = WorthRow("unlearn:tangent", "unlearn", ("high",), 0.25, 0.1)
ALONE = WorthRow("unlearn:tangent", "unlearn", ("low",), 0.0, 0.1)


@pytest.fixture
def drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Draws, and answers the three panels of the figure, which ``draw`` itself closes."""
    from matplotlib import pyplot

    def panels(*worths: WorthRow) -> list[Any]:
        closed: list[Any] = []
        with monkeypatch.context() as patched:
            patched.setattr(pyplot, "close", closed.append)
            draw(result(*worths), tmp_path / "it.png")
        (figure,) = closed
        pyplot.close(figure)
        return list(figure.axes)

    return panels


def test_it_is_written_as_a_png_and_no_figure_stays_open(tmp_path: Path) -> None:
    from matplotlib import pyplot

    draw(result(RETRAINED), tmp_path / "it.png")
    with Image.open(tmp_path / "it.png") as image:
        assert (image.format, image.size) == ("PNG", (1800, 540))
    assert pyplot.get_fignums() == []


def test_providers_stand_in_the_order_of_their_values(drawn: Any) -> None:
    values, convergence, _ = drawn(RETRAINED)
    assert [label.get_text() for label in values.get_yticklabels()] == ["low", "high"]
    assert list(convergence.lines[0].get_ydata()) == [5.0, 2.0]
    assert list(convergence.lines[0].get_xdata()) == [4, 4]
    assert convergence.get_title() == "Convergence (ended by share_ci)"


def test_an_unlearned_worth_is_drawn_against_the_retrained_one_of_the_same_coalition(drawn: Any) -> None:
    *_, worths = drawn(RETRAINED, UNLEARNED, ALONE)
    assert worths.get_title() == "The audit"
    assert [text.get_text() for text in worths.get_legend().get_texts()] == ["unlearn:tangent"]
    assert (list(worths.lines[0].get_xdata()), list(worths.lines[0].get_ydata())) == ([0.25], [0.3])


@pytest.mark.parametrize("worths", [(), (RETRAINED,), (RETRAINED, ALONE)])
def test_where_nothing_was_computed_both_ways_there_is_no_audit_to_draw(drawn: Any, worths: Any) -> None:
    assert drawn(*worths)[2].get_title() == "No audit"
