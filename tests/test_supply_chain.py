"""What is installed: pinned with hashes, listed in a bill of materials, and held against advisories."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tools.advisories import accepted, affected, check, read_advisories
from tools.bill_of_materials import IMAGE, bill
from tools.requirements import Pinned, normal, read_requirements

ROOT = Path(__file__).parents[1]
HTTPX = Pinned("httpx", "0.28.1", ("0" * 64,))


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text("utf-8").split()
    return {normal(name): version for name, _, version in (line.partition("==") for line in lines)}


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-image.txt"])
def test_every_package_is_pinned_as_the_constraints_pin_it_and_has_hashes(name: str) -> None:
    listed, pinned = read_requirements(ROOT / name), pins()
    assert len(listed) > 50
    assert {each.name: each.version for each in listed if pinned.get(each.name, each.version) != each.version} == {}
    assert "://" not in (ROOT / name).read_text("utf-8"), "where packages come from is the installer's to say"


def test_every_dependency_that_is_declared_is_among_those_with_hashes() -> None:
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    declared = project[project.index("dependencies = [") : project.index("[project.scripts]")]
    names = {normal(name) for name in re.findall(r'"([A-Za-z0-9][A-Za-z0-9._-]*)', declared)}
    assert {"fastapi", "lightgbm", "pytest"} <= names
    assert names - {each.name for each in read_requirements(ROOT / "requirements.txt")} == {"torch", "torchvision"}


def test_a_line_without_a_hash_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text("httpx==0.28.1\n")
    with pytest.raises(ValueError, match=r"httpx==0\.28\.1' is no pinned package with hashes"):
        read_requirements(file)


def test_environment_and_image_install_by_hash() -> None:
    made = (ROOT / "tools" / "venv.sh").read_text("utf-8")
    assert "--require-hashes -r requirements.txt" in made
    image = (ROOT / "Dockerfile").read_text("utf-8")
    assert "--require-hashes -r /src/requirements-image.txt" in image
    assert "--require-hashes -r /src/requirements-torch.txt" in image
    installed = [line for line in image.splitlines() if "pip install" in line]
    assert "requirements-image" in installed[0], "what torch needs is there by then"
    assert [line for line in installed if "--require-hashes" not in line and "--no-build-isolation" not in line] == [
        'RUN if [ -n "$TORCH" ]; then /opt/cherish/bin/pip install -c /src/constraints.txt "$TORCH"; \\'
    ], "without hashes is only what a builder names"


def test_torch_and_its_libraries_for_gpus_have_hashes() -> None:
    listed = {each.name: each for each in read_requirements(ROOT / "requirements-torch.txt")}
    assert {"torch", "triton"} <= set(listed)
    assert listed["torch"].version == pins()["torch"]
    assert len([name for name in listed if name.startswith("nvidia-")]) > 10
    assert not set(listed) & {each.name for each in read_requirements(ROOT / "requirements-image.txt")}


def test_the_bill_of_materials_lists_what_the_image_installs_and_is_the_same_each_time() -> None:
    packages = [each for name in IMAGE for each in read_requirements(ROOT / name)]
    document = bill(packages, "1.2.3")
    assert document == bill(packages, "1.2.3")
    plain = json.loads(document)
    assert (plain["bomFormat"], plain["specVersion"]) == ("CycloneDX", "1.6")
    assert (plain["metadata"]["component"]["name"], plain["metadata"]["component"]["version"]) == ("cherish", "1.2.3")
    listed = {(each["name"], each["version"]): each for each in plain["components"]}
    assert set(listed) == {(each.name, each.version) for each in packages}
    [fastapi] = [each for each in packages if each.name == "fastapi"]
    told = listed["fastapi", fastapi.version]
    assert told["purl"] == f"pkg:pypi/fastapi@{fastapi.version}"
    assert {each["content"] for each in told["hashes"]} == set(fastapi.hashes)


def advisory(**about: Any) -> dict[str, Any]:
    return {"id": "PYSEC-1", "affected": [{"package": {"ecosystem": "PyPI", "name": "HTTPX"}} | about]}


def of_range(*events: dict[str, str]) -> dict[str, Any]:
    return advisory(ranges=[{"type": "ECOSYSTEM", "events": list(events)}])


@pytest.mark.parametrize(
    ("document", "hit"),
    [
        (advisory(versions=["0.28.0", "0.28.1"]), True),
        (advisory(versions=["0.28.0"]), False),
        (of_range({"introduced": "0"}), True),
        (of_range({"introduced": "0"}, {"fixed": "0.28.1"}), False),
        (of_range({"introduced": "0"}, {"fixed": "0.28.2"}), True),
        (of_range({"introduced": "0"}, {"last_affected": "0.28.1"}), True),
        (of_range({"introduced": "0"}, {"last_affected": "0.28.0"}), False),
        (of_range({"introduced": "0"}, {"fixed": "0.2"}, {"introduced": "0.28"}), True),
        (of_range({"introduced": "0.29"}), False),
        (advisory(package={"ecosystem": "npm", "name": "httpx"}, versions=["0.28.1"]), False),
        (advisory(package={"ecosystem": "PyPI", "name": "httpx2"}, versions=["0.28.1"]), False),
    ],
)
def test_an_advisory_is_about_the_versions_that_it_names(document: dict[str, Any], hit: bool) -> None:
    assert affected(HTTPX, document) is hit


def test_the_gate_fails_for_a_package_that_an_advisory_names(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(of_range({"introduced": "0"}) | {"summary": "it leaks"}))
    (tmp_path / "b.json").write_text(json.dumps(of_range({"introduced": "0"}) | {"withdrawn": "2026-01-01T00:00:00Z"}))
    assert check([HTTPX], tmp_path, set()) == (1, ["httpx 0.28.1: PYSEC-1 it leaks"])
    assert check([HTTPX], tmp_path, {"PYSEC-1"}) == (1, [])
    assert len(list(read_advisories(tmp_path))) == 1
    listed = tmp_path / "accepted.txt"
    listed.write_text("# id, and why\nPYSEC-1 only servers are affected\n")
    assert accepted(listed) == {"PYSEC-1"}


def gate(*folder: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "tools/advisories.py", *folder], cwd=ROOT, capture_output=True, text=True)


def test_an_empty_list_is_no_clean_bill_and_no_list_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHERISH_ADVISORIES", raising=False)
    assert gate(str(tmp_path)).returncode == 2
    told = gate()
    assert (told.returncode, "no advisories were compared" in told.stdout) == (0, True)
    (tmp_path / "a.json").write_text(json.dumps(of_range({"introduced": "0"})))
    told = gate(str(tmp_path))
    assert told.returncode == 1
    assert "httpx" in told.stdout
