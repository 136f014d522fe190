"""What looks odd about a provider's columns is said with counts, once most of a column is so."""

from app.datasets.readers import read_table
from app.datasets.rows.encoding import fit_encoding
from app.datasets.rows.suspicions import suspicions

TEST = read_table(b"age,city,label\n0,Oslo,no\n2,Bergen,yes\n4,Oslo,no\n")


def test_strange_units_and_strange_spellings_are_said_and_a_few_odd_cells_are_not() -> None:
    plain = read_table(b"age,city,label\n2,Oslo,no\n3,Bergen,yes\n1000,Moss,yes\n")
    odd = read_table(b"age,city,label\n2000,oslo,no\n3000,bergen,yes\n1,Oslo,yes\n")
    encoding = fit_encoding(TEST, [plain, odd], "label")
    assert suspicions(plain, encoding) == ()
    found = {each.code: each for each in suspicions(odd, encoding)}
    assert {code: (each.column, each.rows) for code, each in found.items()} == {
        "out_of_range": ("age", 2),
        "unseen_categories": ("city", 2),
    }
    assert not any("2000" in each.detail or "bergen" in each.detail for each in found.values())
