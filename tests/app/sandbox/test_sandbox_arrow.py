"""A process that reads files loads no pandas, and can still import it."""

import subprocess
import sys

from app.sandbox.arrow import start_without_pandas

PROGRAM = """
import sys
from app.sandbox.arrow import start_without_pandas
start_without_pandas()
import pyarrow as pa, pyarrow.compute as pc
table = pa.table({"a": [1.0, None], "b": ["x", "y"]})
pc.fill_null(table["a"], 0.0).to_pylist(), pa.array(["u"]), pa.scalar(3)
assert "pandas" not in sys.modules
import pandas
assert pandas.DataFrame({"a": [1]}).shape == (1, 1)
"""


def test_arrow_goes_on_without_pandas_which_others_can_import() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_where_pandas_is_there_nothing_changes() -> None:
    import pandas as pd

    start_without_pandas()
    assert sys.modules["pandas"] is pd
