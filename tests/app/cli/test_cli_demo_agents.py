"""The demonstration of agents: what stays at home is fit to, and the two values of a provider are compared."""

import io

import numpy as np
import pyarrow.csv

from app.cli.demonstration.agents import CLOSE, AgentsOutcome
from app.cli.demonstration.people import new_buyer
from app.demo.digits import TARGET
from app.demo.digits_at_home import OWNERS, digits_at_home


def test_the_tables_are_the_same_for_a_seed_and_no_pixel_that_is_used_has_ink_in_few_rows() -> None:
    market = digits_at_home()
    assert [file.content for file in market.files] == [file.content for file in digits_at_home().files]
    assert [file.owner for file in market.files] == list(OWNERS)
    for file in market.files:
        table = pyarrow.csv.read_csv(io.BytesIO(file.content))
        assert table.num_rows == file.rows
        for name in set(table.column_names) - {TARGET, *market.sparse}:
            assert file.rows - np.unique(table.column(name).to_numpy(), return_counts=True)[1].max() >= 10


def test_values_that_differ_by_more_than_rounding_are_seen() -> None:
    same = {"a": 0.5, "b": 0.1}
    outcome = AgentsOutcome(uploaded=same, at_home=same | {"b": 0.1 + 2 * CLOSE}, sent={}, requests={}, seconds={})
    assert outcome.apart > CLOSE
    assert new_buyer() != new_buyer()
