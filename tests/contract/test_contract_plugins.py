"""Metrics, learners and file formats of other packages, really installed: the template's package in a folder beside."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from app.datasets.readers import Limits, read_table
from app.errors import InvalidData
from contract import plugins
from contract.errors import InvalidProblem
from contract.learning import installed
from contract.metrics import METRICS, Metric
from contract.rows import formats, installed_reader
from tools.plugin import write

ROOT = Path(__file__).parents[2]
PROBE = """
import json
import numpy as np
from app.main import create_app
from app.settings import Settings
from contract.learning.learners import LEARNERS
from contract.metrics import metric_of
from app.datasets.offering.croissant import MEDIA_TYPES
from app.datasets.tables import Dataset, DatasetFormat
schemas = create_app(Settings()).openapi()["components"]["schemas"]
order = schemas["NewValuation"]["properties"]
print(json.dumps({
    "metric": "lab_margin" in order["metric"]["enum"],
    "learner": LEARNERS["lab_bayes"].title,
    "format": "lab_arrow" in schemas["DatasetFormat"]["enum"],
    "stored": "lab_arrow" in Dataset.__table__.c.format.type.enums,
    "media": MEDIA_TYPES[DatasetFormat("lab_arrow")],
    "kept": LEARNERS["lab_bayes"].kept,
    "worth": metric_of("lab_margin").worth(np.array([[9, 0], [0, 9]], dtype=np.float32), np.array([0, 0]), None),
}))
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the template's package is installed into."""
    place = tmp_path_factory.mktemp("plugin")
    write("lab", place / "source")
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-build-isolation", "--no-index", "--quiet"]
    done = subprocess.run([*pip, "--target", place / "site", place / "source"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return place / "site"


def run(site: Path, *command: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{site}", "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, *command], cwd=ROOT, env=env, capture_output=True, text=True)


def test_what_is_installed_is_in_the_vocabulary_and_in_openapi(site: Path) -> None:
    done = run(site, "-c", PROBE)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told == {
        "metric": True,
        "learner": "Gaussian naive Bayes",
        "format": True,
        "stored": True,
        "media": "application/vnd.apache.arrow.file",
        "kept": False,
        "worth": pytest.approx(0.0),
    }
    assert "lab_margin" not in METRICS, "and nowhere else"


def test_players_are_valued_by_an_installed_learner_and_metric_and_the_result_is_verified(
    site: Path, tmp_path: Path
) -> None:
    for name, flip in (("a", 0), ("b", 3), ("test", 0)):
        lines = [f"{i % 7},{i % 3},{'yes' if (i % 7 > 3) != (flip and i % flip == 0) else 'no'}" for i in range(40)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["u,v,label", *lines]))
    files = [f"--provider={name}={tmp_path}/{name}.csv" for name in "ab"]
    asked = [f"--test={tmp_path}/test.csv", "--target=label", "--model=lab_bayes:smoothing=0.01", "--metric=lab_margin"]
    kept = tmp_path / "result.json"
    done = run(site, "-m", "app.cli", "value", *files, *asked, f"--json={kept}")
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(kept.read_text())
    assert result["spec"]["metric"] == "lab_margin"
    by_name = {player["provider"]: player["value"] for player in result["players"]}
    assert by_name["a"] > by_name["b"], "a third of the other's labels are wrong"
    assert run(site, "-m", "app.cli", "verify", str(kept)).returncode == 0
    without = run(tmp_path, "-m", "app.cli", "value", *files, *asked)
    assert without.returncode != 0
    assert "'lab_margin' is unknown" in without.stdout + without.stderr


READ = """
import gzip, sys
from pathlib import Path
from app.datasets.inspection import inspect
from app.datasets.readers import Limits, read_table
from app.errors import InvalidData
path = Path(sys.argv[1])
looked = inspect(path, format=None, modality=None, target="y", is_test=False, limits=Limits(), name="a file")
print(looked.format, looked.rows, [column.type for column in looked.columns])
whole = path.read_bytes()
packed = read_table(gzip.compress(whole), name="a packed file")
print(packed.num_rows, packed.schema.metadata[b"cherish.format"].decode())
for content, limits in ((whole[:40], Limits()), (whole, Limits(max_rows=1))):
    try:
        read_table(content, limits=limits, name="a file")
    except InvalidData as refused:
        print(refused.detail)
try:
    read_table(whole, "csv", name="a file")
except InvalidData as refused:
    print(refused.detail)
"""


def test_files_of_an_installed_format_are_known_by_their_bytes_and_read_as_every_table(
    site: Path, tmp_path: Path
) -> None:
    table = pa.table({"a": [1, 2], "b": ["u", None], "y": ["no", "yes"]})
    with pa.ipc.new_file(str(tmp_path / "rows.arrow"), table.schema) as writer:
        writer.write_table(table)
    done = run(site, "-c", READ, str(tmp_path / "rows.arrow"))
    assert done.returncode == 0, done.stderr
    looked, packed, damaged, large, declared = done.stdout.splitlines()
    assert looked == "lab_arrow 2 ['integer', 'text', 'text']"
    assert packed == "2 lab_arrow"
    assert damaged.startswith("a file: not a whole Arrow IPC file (")
    assert "more than 1 rows" in large
    assert "its first bytes are those of lab_arrow" in declared
    without = run(tmp_path, "-c", READ, str(tmp_path / "rows.arrow"))
    assert "this is an Arrow IPC file; send CSV" in without.stderr


def test_an_entry_that_is_wrong_stops_the_start_and_names_the_package(site: Path, tmp_path: Path) -> None:
    entries = next(site.glob("lab-*.dist-info")) / "entry_points.txt"
    before = entries.read_text()
    for wrong, why in (
        ("[cherish.metrics]\nlab_margin = lab:NOTHING\n", "of package lab: lab:NOTHING cannot be loaded"),
        (
            "[cherish.metrics]\nlab_margin = lab:naive_bayes\n",
            "lab:naive_bayes is a function, not an instance of Metric",
        ),
        ("[cherish.metrics]\naccuracy = lab:METRIC\n", "entry 'accuracy' calls itself 'lab_margin'; name it so"),
    ):
        entries.write_text(wrong)
        done = run(site, "-c", "import contract.metrics")
        assert done.returncode != 0
        assert why in done.stderr
    entries.write_text(before)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ('READER = replace(READER, magics=(b"PAR1x",))', "which is another format's; name others"),
        ('READER = replace(READER, magics=(b"A",))', "which is shorter than 3 bytes; name others"),
        ("READER = replace(READER, magics=())", "names no first bytes"),
    ],
)
def test_a_format_that_is_known_by_anothers_bytes_stops_the_start(site: Path, change: str, why: str) -> None:
    module = site / "lab.py"
    before = module.read_text()
    module.write_text(f"from dataclasses import replace\n{before}\n{change}\n")
    try:
        done = run(site, "-c", "import contract.rows.formats")
    finally:
        module.write_text(before)
    assert done.returncode != 0
    assert why in done.stderr


def test_a_name_that_is_taken_is_refused() -> None:
    with pytest.raises(InvalidProblem, match="'accuracy' is the name of another one"):
        plugins.refuse_taken(plugins.METRICS, "accuracy", METRICS)
    assert plugins.installed("cherish.nothing", Metric) == []
    assert installed.InstalledLearner("x", "an x", lambda *_: np.zeros((1, 2))).hyper == ()


def test_the_template_refuses_a_name_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'My lab' is no name"):
        write("My lab", tmp_path / "x")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (ZeroDivisionError("rate"), r"the reader of lab file failed at it \(ZeroDivisionError: rate\); write it again"),
        (ValueError("no end"), r"not a whole lab file \(no end\); write it again"),
        ([1, 2], "the reader of lab file gave a list, no table"),
        (pa.table({"a": [1.0] * 9}), "9 rows, and 5 are allowed"),
        (pa.table({"a": [[1]], "y": [1]}), "`a`"),
    ],
)
def test_what_an_installed_reader_does_wrong_refuses_the_file(
    monkeypatch: pytest.MonkeyPatch, answer: object, why: str
) -> None:
    def read(_source: Path | bytes, limits: installed_reader.ReadLimits) -> object:
        assert limits.rows == 5
        if isinstance(answer, Exception):
            raise answer
        return answer

    reader = installed_reader.InstalledReader("lab", "lab file", (b"LAB",), read)
    monkeypatch.setitem(formats.INSTALLED, "lab", reader)
    with pytest.raises(InvalidData, match=why):
        read_table(b"LAB and more", limits=Limits(max_rows=5), name="a file")
    assert formats.known_by(b"LA") is None
