"""Writes a package with a metric, a learner and a file format of your own: ``python tools/plugin.py NAME FOLDER``.

Install it where the service and every worker run (``pip install FOLDER``), and restart them: all are then in orders,
uploads, forms, the command line and OpenAPI. NAME is that of the package, in lower-case letters, digits and
underscores.
"""

import re
import sys
from pathlib import Path

_PROJECT = """[build-system]
requires = ["setuptools>=80"]
build-backend = "setuptools.build_meta"

[project]
name = "{name}"
version = "0.1"

[project.entry-points."cherish.metrics"]
{name}_margin = "{name}:METRIC"

[project.entry-points."cherish.learners"]
{name}_bayes = "{name}:LEARNER"

[project.entry-points."cherish.readers"]
{name}_arrow = "{name}:READER"

[tool.setuptools]
py-modules = ["{name}"]
"""
_MODULE = '''"""A metric, a learner and a file format for Cherish. A name is for good: change a sum, change it."""

import numpy as np
import pyarrow as pa

from contract.learning.installed import HyperParameter, InstalledLearner
from contract.metrics.metric import UnitMean
from contract.rows.installed_reader import InstalledReader


class Margin(UnitMean):
    """Mean margin: by how much the label's output lies above the best of the others, squashed to (-1, 1)."""

    name = "{name}_margin"
    title = "Mean margin"
    about = "by how much the label's output lies above the best of the others"
    unit = "share"
    range = (-1.0, 1.0)
    constant_is = "the most frequent class"

    def of_units(self, outputs, labels):
        rows = np.arange(len(labels))
        others = outputs.astype(np.float64)
        own = others[rows, labels].copy()
        others[rows, labels] = -np.inf
        return np.tanh(own - others.max(axis=1))

    def constant(self, frequencies):
        best = np.zeros(len(frequencies), dtype=np.float32)
        best[frequencies.argmax()] = 1.0
        return best


def naive_bayes(options, X, y, asked, classes, seed):
    """Log-odds float64[m, classes] on rows ``asked`` of Gaussian naive Bayes fitted to X and y; nothing is drawn."""
    from sklearn.naive_bayes import GaussianNB

    fitted = GaussianNB(var_smoothing=options["smoothing"]).fit(X, y)
    # a class that these rows lack is as rare as one row in all of them and one more
    whole = np.full((len(asked), classes), 1.0 / (len(y) + 1))
    whole[:, fitted.classes_] = np.maximum(fitted.predict_proba(asked), 1.0 / (len(y) + 1))
    return np.log(whole)


def arrow_ipc(source, limits):
    """The pyarrow.Table of an Arrow IPC file, a path or bytes; raises ValueError where it is damaged or too large."""
    with pa.ipc.open_file(source if isinstance(source, bytes) else str(source)) as file:
        rows, batches = 0, []
        for number in range(file.num_record_batches):
            batches.append(file.get_batch(number))
            rows += batches[-1].num_rows
            if rows > limits.rows:
                raise ValueError(f"more than {limits.rows} rows")
        return pa.Table.from_batches(batches, file.schema)


METRIC = Margin()
LEARNER = InstalledLearner(
    "{name}_bayes",
    "Gaussian naive Bayes",
    naive_bayes,
    (HyperParameter("smoothing", 1e-9, "part of the largest variance that is added to all", above=True),),
)
READER = InstalledReader(
    "{name}_arrow", "Arrow IPC file", (b"ARROW1",), arrow_ipc, "application/vnd.apache.arrow.file"
)
'''


def write(name: str, folder: Path) -> None:
    """The package's two files; raises ValueError for a name that is none."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise ValueError(f"{name!r} is no name for a package; use lower-case letters, digits and underscores")
    folder.mkdir(parents=True)
    (folder / "pyproject.toml").write_text(_PROJECT.replace("{name}", name))
    (folder / f"{name}.py").write_text(_MODULE.replace("{name}", name))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    write(sys.argv[1], Path(sys.argv[2]))
    sys.stdout.write(f"{sys.argv[2]}: install it with  pip install {sys.argv[2]}\n")
