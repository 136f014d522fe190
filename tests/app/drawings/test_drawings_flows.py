"""The pool as a drawing: every part that is anything, the largest first, small ones as one, names as text."""

from app.drawings.flows import MOST, FlowPart, flow


def parts(count: int) -> list[FlowPart]:
    return [FlowPart(f"p{at}", float(at + 1), f"p{at}: {at + 1}", str(at + 1)) for at in range(count)]


def test_parts_stand_by_size_and_nothing_is_not_drawn() -> None:
    drawn = flow("6", [*parts(3), FlowPart("unpaid", 0.0, "unpaid: 0", "0")], "{} more")
    assert drawn.count("<path") == 3
    assert drawn.index(">p2<") < drawn.index(">p1<") < drawn.index(">p0<")
    assert "unpaid" not in drawn


def test_two_hundred_parts_are_as_many_as_can_be_read_and_the_rest_is_one() -> None:
    drawn = flow("x", parts(200), "{} smaller amounts")
    assert drawn.count("<path") == drawn.count("<li>") == MOST
    assert f"{200 - MOST + 1} smaller amounts" in drawn


def test_names_are_text() -> None:
    assert "<script>" not in flow("x", [FlowPart("<script>", 1.0, "<script>", "1")], "{}")


def test_nothing_paid_is_no_drawing() -> None:
    assert flow("x", [FlowPart("a", 0.0, "", "")], "{}") == ""
