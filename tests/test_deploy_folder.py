"""The files in ``deploy/``: what they name exists, pods have no privileges, and each alert has a runbook and a test."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.admin import metrics_endpoints
from app.cli.lazy import COMMANDS
from app.db.roles import DatabaseRole
from app.http.metrics import Metrics
from app.settings import Settings
from app.storage.blobs import BlobStore

DEPLOY = Path(__file__).parents[1] / "deploy"
KUBERNETES, OBSERVABILITY, UNITS = DEPLOY / "kubernetes", DEPLOY / "observability", DEPLOY / "systemd"
OPERATIONS = (DEPLOY.parent / "docs" / "operations.md").read_text()


def documents() -> Iterator[dict[str, Any]]:
    for path in KUBERNETES.rglob("*.yaml"):
        for document in yaml.safe_load_all(path.read_text()):
            yield document | {"path": path}


def pods() -> list[tuple[str, dict[str, Any]]]:
    return [
        (document["metadata"]["name"], document["spec"]["template"]["spec"])
        for document in documents()
        if document["kind"] in ("Deployment", "Job")
    ]


def metrics() -> set[str]:
    """All names that a scrape can show, histograms' parts included."""
    names = {name for name, _, _ in metrics_endpoints._GAUGES.values()} | {"cherish_database_up"}
    for family in Metrics().registry.collect():
        names |= {family.name, f"{family.name}_total", f"{family.name}_bucket"}
    return names


def named_metrics(text: str) -> set[str]:
    return set(re.findall(r"\bcherish_[a-z_]+[a-z]\b", text))


def test_what_a_kustomization_names_is_there() -> None:
    for path in KUBERNETES.rglob("kustomization.yaml"):
        found = yaml.safe_load(path.read_text())
        assert found["resources"]
        for name in found["resources"]:
            assert (path.parent / name).is_file(), name
        listed = {path.parent / name for name in found["resources"]} | {path}
        assert set(path.parent.glob("*.yaml")) == listed


def test_an_overlay_with_both_components_is_what_kustomize_renders(tmp_path: Path) -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed here")
    shutil.copytree(KUBERNETES, tmp_path / "base")
    overlay = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": ["../base"],
        "components": ["../base/gpu", "../base/keda"],
        "images": [{"name": "cherish", "newName": "registry.example/cherish", "newTag": "0.2.0"}],
    }
    (tmp_path / "overlay").mkdir()
    (tmp_path / "overlay" / "kustomization.yaml").write_text(yaml.safe_dump(overlay))
    line = ["kubectl", "kustomize", str(tmp_path / "overlay")]
    said = subprocess.run(line, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    rendered = list(yaml.safe_load_all(said.stdout))
    assert len(rendered) == len(list(documents())) - 3 + 1, "all but the kustomizations, and the settings"
    [settings] = [each["metadata"]["name"] for each in rendered if each["kind"] == "ConfigMap"]
    for each in rendered:
        # what a component adds is the deployment's as well
        assert each["metadata"].get("namespace") == "cherish", each["metadata"]["name"]
        assert each["metadata"]["labels"]["app.kubernetes.io/part-of"] == "cherish", each["metadata"]["name"]
        if each["kind"] in ("Deployment", "Job"):
            [container] = each["spec"]["template"]["spec"]["containers"]
            assert container["image"] == "registry.example/cherish:0.2.0"
            assert settings in [
                named["configMapRef"]["name"] for named in container["envFrom"] if "configMapRef" in named
            ]
    scaled = next(each for each in rendered if each["kind"] == "ScaledObject")["spec"]["scaleTargetRef"]["name"]
    assert scaled in {each["metadata"]["name"] for each in rendered if each["kind"] == "Deployment"}


def test_every_pod_runs_one_image_unprivileged_with_bounded_memory_and_scratch_on_disk() -> None:
    assert {name for name, _ in pods()} == {"migrate", "api", "relay", "worker-cpu", "worker-gpu"}
    for name, pod in pods():
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["automountServiceAccountToken"] is False
        [container] = pod["containers"]
        assert container["image"] == "cherish"
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"]["memory"]
        [scratch] = pod["volumes"]
        assert "medium" not in scratch["emptyDir"]
        assert scratch["emptyDir"]["sizeLimit"]


def test_a_process_is_given_longer_than_it_takes_to_end() -> None:
    settings = Settings()
    graces = {name: pod.get("terminationGracePeriodSeconds", 0) for name, pod in pods()}
    assert graces["api"] > settings.shutdown_seconds + 5
    assert graces["worker-cpu"] > 60
    api = next(pod for name, pod in pods() if name == "api")["containers"][0]
    assert api["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert api["readinessProbe"]["httpGet"]["path"] == "/readyz"


def test_commands_are_commands_and_settings_are_settings() -> None:
    called = [words for _, pod in pods() for words in [pod["containers"][0]["args"]] if words]
    units = [re.findall(r"^ExecStart=/opt/cherish/bin/cherish (\w+)", path.read_text(), re.M) for path in _services()]
    assert {words[0] for words in called} | {word for words in units for word in words} <= set(COMMANDS)
    for path in (KUBERNETES / "settings.env", *KUBERNETES.glob("*.env.example"), *UNITS.glob("*.env.example")):
        for line in path.read_text().split():
            variable = line.partition("=")[0]
            if not variable.startswith("AWS_"):
                assert variable.removeprefix("CHERISH_").lower() in Settings.model_fields, variable
    for path in (KUBERNETES / "settings.env", UNITS / "settings.env.example"):
        assert not re.search("pepper|secret|password|certificate_key|database_url", path.read_text().lower())


ROLES = {
    "migrate": "owner",
    "backup": "owner",
    "api": "api",
    "relay": "housekeeping",
    "worker-cpu": "worker",
    "worker-gpu": "worker",
}


def _url_of(folder: Path, name: str) -> str:
    [url] = re.findall(r"^CHERISH_DATABASE_URL=(.*)$", (folder / f"{name}.env.example").read_text(), re.M)
    return str(url)


def test_each_process_is_given_its_own_database_role_and_the_owner_is_the_migrations() -> None:
    given = {}
    for name, pod in pods():
        secrets = [each["secretRef"]["name"] for each in pod["containers"][0]["envFrom"] if "secretRef" in each]
        given[name] = [each for each in secrets if each.startswith("cherish-database-")]
    assert given == {name: [f"cherish-database-{ROLES[name]}"] for name in given}
    for path in _services():
        name = path.name.removeprefix("cherish-").removesuffix(".service").removesuffix("@")
        files = re.findall(r"^EnvironmentFile=/etc/cherish/(database-\S+)\.env$", path.read_text(), re.M)
        assert files == [f"database-{ROLES[name]}"], path.name
    assert "DATABASE" not in (KUBERNETES / "secrets.env.example").read_text()
    for folder in (KUBERNETES, UNITS):
        for role in DatabaseRole:
            assert f"//{role.named('cherish')}:" in _url_of(folder, f"database-{role.value}")
        owner = (folder / "database-owner.env.example").read_text()
        assert "//cherish:" in owner
        assert all(f"CHERISH_{role.value.upper()}_DATABASE_PASSWORD=" in owner for role in DatabaseRole)


def test_units_are_what_systemd_reads(tmp_path: Path) -> None:
    for path in _services():
        text = path.read_text()
        assert "NoNewPrivileges=yes" in text
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed here")
    for path in [*_services(), *UNITS.glob("*.timer")]:
        # the programs are where a deployment has them, not here
        text = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", path.read_text(), flags=re.M)
        (tmp_path / path.name).write_text(text)
    line = ["systemd-analyze", "verify", *map(str, sorted(tmp_path.iterdir()))]
    said = subprocess.run(line, capture_output=True, text=True, check=False)
    assert (said.returncode, said.stderr) == (0, "")


def test_each_kind_of_process_is_a_system_user_of_its_own_and_shares_the_blobs_alone(tmp_path: Path) -> None:
    users = {}
    for path in _services():
        text = path.read_text()
        name = path.name.removeprefix("cherish-").removesuffix(".service").removesuffix("@")
        assert re.findall(r"^User=(\S+)$", text, re.M) == [f"cherish-{ROLES[name]}"], path.name
        assert re.findall(r"^StateDirectory=(\S+)$", text, re.M) == [f"cherish-{ROLES[name]}"], path.name
        assert "UMask=0007" in text, "what one writes into the blobs the others can read and renew"
        users[name] = f"cherish-{ROLES[name]}"
    declared = (UNITS / "cherish.sysusers.conf").read_text()
    assert set(re.findall(r"^u (\S+)", declared, re.M)) == set(users.values())
    assert set(re.findall(r"^m (\S+) cherish$", declared, re.M)) == set(users.values())
    old = os.umask(0o007)
    try:
        folder = tmp_path / "blobs"
        folder.mkdir(mode=0o2770)
        folder.chmod(0o2770)
        blob = BlobStore.from_url(f"file://{folder}").put_bytes(b"rows")
    finally:
        os.umask(old)
    [kept] = [each for each in folder.rglob("*") if each.is_file()]
    assert blob.digest.endswith(kept.name)
    for each in (kept, *kept.parents[: len(kept.relative_to(folder).parts) - 1]):
        mode = each.stat().st_mode
        assert mode & 0o060 == 0o060, each
        assert mode & 0o007 == 0, each
        assert each.is_file() or mode & 0o2000, "the group is handed on"


def test_users_and_folders_are_what_systemd_reads(tmp_path: Path) -> None:
    if shutil.which("systemd-sysusers") is None or shutil.which("systemd-tmpfiles") is None:
        pytest.skip("systemd is not installed here")
    (tmp_path / "etc").mkdir()
    commands = (
        ["systemd-sysusers", f"--root={tmp_path}", str(UNITS / "cherish.sysusers.conf")],
        ["systemd-tmpfiles", f"--root={tmp_path}", "--create", str(UNITS / "cherish.tmpfiles.conf")],
    )
    # folders are given to users, which only root may do
    for line in commands if os.geteuid() == 0 else commands[:1]:
        said = subprocess.run(line, capture_output=True, text=True, check=False)
        assert said.returncode == 0, said.stderr
    accounts = (tmp_path / "etc" / "passwd").read_text()
    assert len({line.split(":")[2] for line in accounts.splitlines() if line.startswith("cherish")}) == 4
    assert "cherish-api" in (tmp_path / "etc" / "group").read_text()


def test_each_alert_and_panel_reads_metrics_that_exist() -> None:
    for name in ("alerts.yml", "alerts.test.yml", "dashboard.json"):
        found = named_metrics((OBSERVABILITY / name).read_text())
        assert found, name
        assert found <= metrics(), name
    board = json.loads((OBSERVABILITY / "dashboard.json").read_text())
    shown = named_metrics(json.dumps(board))
    gauges = {name for name, _, _ in metrics_endpoints._GAUGES.values()}
    assert gauges - shown == set()


def test_each_alert_has_a_runbook_and_a_series_that_raises_it() -> None:
    [group] = yaml.safe_load((OBSERVABILITY / "alerts.yml").read_text())["groups"]
    raised = (OBSERVABILITY / "alerts.test.yml").read_text()
    for rule in group["rules"]:
        assert f"### {rule['alert']}\n" in OPERATIONS
        assert rule["annotations"]["runbook"] == f"docs/operations.md#{rule['alert'].lower()}"
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["alert"] in raised


def test_alerts_say_what_their_series_raise() -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed here (Debian: prometheus)")
    for line in (["check", "rules", "alerts.yml"], ["test", "rules", "alerts.test.yml"]):
        said = subprocess.run(["promtool", *line], cwd=OBSERVABILITY, capture_output=True, text=True, check=False)
        assert said.returncode == 0, said.stdout + said.stderr


def _services() -> list[Path]:
    return sorted(UNITS.glob("*.service"))
