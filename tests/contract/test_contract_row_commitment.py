"""A commitment binds to rows in any order, and hides them."""

from contract.proof.row_commitment import Cell, commitment, leaves_of

SECRET = bytes(range(32))
ROWS: list[list[Cell]] = [[float(i % 5), f"w{i}"] for i in range(11)]
ROOT = commitment(leaves_of(ROWS, SECRET))


def test_the_order_of_rows_is_no_content_and_everything_else_is() -> None:
    assert commitment(leaves_of(ROWS[::-1], SECRET)) == ROOT
    changed: list[list[Cell]] = [[0.5, "w0"], *ROWS[1:]]
    for others in (changed, ROWS[1:], [*ROWS, ROWS[0]], [[str(a), b] for a, b in ROWS]):
        assert commitment(leaves_of(others, SECRET)) != ROOT


def test_without_the_secret_nobody_can_try_rows() -> None:
    assert commitment(leaves_of(ROWS, bytes(32))) != ROOT


def test_equal_rows_have_leaves_of_their_own() -> None:
    leaves = leaves_of([ROWS[0]] * 3, SECRET)
    assert len(set(leaves)) == 3
