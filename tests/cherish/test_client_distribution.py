"""The client is a distribution of its own: its wheel, beside httpx and pydantic alone, drives a job on a service."""

import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from tests.serving import serving

ROOT = Path(__file__).parents[2]

DRIVER = """
import sys, importlib.util
from pathlib import Path
from cherish import Client, Problem
from cherish.models import DatasetBody, LicenceBody, NewValuation, PublishBody

assert not [name for name in ("app", "contract", "numpy", "pandas", "pyarrow") if importlib.util.find_spec(name)]
address, folder, *keys = sys.argv[1:]
buyer, first, second = (Client(address, key) for key in keys)
named = []
for number, owner in enumerate((first, second)):
    body, key = DatasetBody(name=f"rows {number}", target="label"), f"rows-{number}"
    made = owner.api.create_dataset(body, idempotency_key=key)
    again = owner.api.create_dataset(body, idempotency_key=key)
    assert made.id == again.id
    stored = owner.api.put_dataset_content(made.id, Path(folder, f"{number}.csv"))
    assert stored.rows == 40, stored
    assert owner.api.publish_dataset(made.id, PublishBody(licence=LicenceBody(spdx="CC0-1.0"))).status == "published"
    named.append(made.id)
test = buyer.upload_dataset("test", Path(folder, "2.csv").read_bytes(), target="label", kind="test")["id"]
order = NewValuation(datasets=named, test_dataset=test, pool="10.00")
assert buyer.api.quote_valuation(order).players == 2
job = buyer.api.create_valuation(order, idempotency_key="order-17")
assert buyer.api.create_valuation(order, idempotency_key="order-17").id == job.id
try:
    buyer.api.create_valuation({"pool": "10.00"})
except Problem as refused:
    assert refused.status == 422
else:
    raise AssertionError("an order without datasets was taken")
assert buyer.wait(job.id, timeout=120)["status"] == "succeeded"
values = buyer.result(job.id)
assert [player.position for player in values.players] == [0, 1]
assert "<svg" in values._repr_html_()
print("driven", values.players[0].value)
"""


def closure(*names: str) -> dict[str, Any]:
    """Distributions and all that they need here, by name."""
    found: dict[str, Any] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name.lower() in found:
            continue
        found[name.lower()] = distribution(name)
        for text in distribution(name).requires or ():
            needed = Requirement(text)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                waiting.append(needed.name)
    return found


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that holds the client's wheel, httpx, pydantic, and what these need."""
    folder = tmp_path_factory.mktemp("bare")
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--quiet", "-w", str(folder)]
    source = folder / "source"
    source.mkdir()
    for path in (ROOT / "cherish").iterdir():
        if path.is_file():
            (source / path.name).write_bytes(path.read_bytes())
    subprocess.run([*build, str(source)], check=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True)
    (packages,) = (folder / "venv").glob("lib/python*/site-packages")
    (wheel,) = folder.glob("cherish_client-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert "cherish/py.typed" in archive.namelist()
        archive.extractall(packages)
        (about,) = (name for name in archive.namelist() if name.endswith("METADATA"))
        needed = [line for line in archive.read(about).decode().splitlines() if line.startswith("Requires-Dist")]
    assert [line.split()[1].split(">")[0] for line in needed if "extra" not in line] == ["httpx", "pydantic"]
    for held in closure("httpx", "pydantic").values():
        for file in held.files or ():
            source_file = Path(held.locate_file(file))
            if ".." not in file.parts and source_file.is_file():
                (packages / file).parent.mkdir(parents=True, exist_ok=True)
                (packages / file).write_bytes(source_file.read_bytes())
    return folder / "venv" / "bin" / "python"


@pytest.fixture
def address(place: Any) -> Iterator[str]:
    with serving(place.app) as url:
        yield url


def test_the_wheel_drives_a_job_with_httpx_and_pydantic_alone(
    bare: Path, place: Any, hand: Any, address: str, tmp_path: Path
) -> None:
    for seed in range(3):
        rows = "".join(f"{i % 7},{i % 5}.{seed},{'abc'[i % 3]}\n" for i in range(40))
        (tmp_path / f"{seed}.csv").write_text(f"u,v,label\n{rows}")
    keys = [place.client(name).headers["authorization"].split()[1] for name in ("buyer", "tides", "sums")]
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    driver = subprocess.Popen(
        [str(bare), "-I", "-c", DRIVER, address, str(tmp_path), *keys],
        env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    ends = time.monotonic() + 200
    while driver.poll() is None and time.monotonic() < ends:
        for shard_id in hand.collect():
            hand.deliver(shard_id)
        time.sleep(0.1)
    driver.kill()
    said, _ = driver.communicate()
    assert (driver.returncode, said.startswith("driven ")) == (0, True), said
