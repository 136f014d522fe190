"""The service below a path of a host: nothing that a browser or a client follows leads out of it."""

import os
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.http.mounting import _FOLLOWED, mount_of
from app.identity import Role
from app.main import create_app
from app.settings import Settings
from cherish import Client

TEMPLATES = Path(__file__).parents[3] / "app" / "web" / "templates"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
HTML = {"Accept": "text/html"}
# attributes whose value may begin with a slash though nobody goes there
_SHOWN = {"value", "placeholder", "title", "aria-keyshortcuts", "content"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def edge() -> int:
    return free_port()


@pytest.fixture
def settings(settings: Settings, edge: int) -> Settings:
    return settings.model_copy(update={"public_url": f"http://127.0.0.1:{edge}/market/"})


@pytest.fixture
def server(app: FastAPI) -> Iterator[int]:
    """The application on a port of its own."""
    running = uvicorn.Server(uvicorn.Config(app, port=0, lifespan="off", log_level="warning"))
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    while not running.started:
        assert thread.is_alive()
        time.sleep(0.01)
    yield int(running.servers[0].sockets[0].getsockname()[1])
    running.should_exit = True
    thread.join()


@pytest.fixture(params=["stripped", "kept"])
def site(request: pytest.FixtureRequest, edge: int, server: int, tmp_path: Path) -> Iterator[str]:
    """The address below which nginx offers it; the path is taken off what is handed on, or not."""
    if NGINX is None:
        pytest.skip("nginx is absent")
    folder = tmp_path / "edge"
    folder.mkdir()
    kept = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in ("proxy", "fastcgi", "uwsgi", "scgi"))
    target = f"http://127.0.0.1:{server}" + ("/" if request.param == "stripped" else "")
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/pid; error_log {folder}/log; worker_processes 1;"
        f"{'user root;' if os.geteuid() == 0 else ''} events {{ worker_connections 64; }}"
        f"http {{ access_log off; client_body_temp_path {folder}/body; {kept}"
        f"server {{ listen 127.0.0.1:{edge}; location /market/ {{ proxy_pass {target}; }} }} }}\n"
    )
    running = subprocess.Popen([NGINX, "-p", str(folder), "-e", f"{folder}/log", "-c", str(folder / "nginx.conf")])
    try:
        for _ in range(500):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", edge)) == 0:
                    break
            assert running.poll() is None, (folder / "log").read_text()
            time.sleep(0.01)
        yield f"http://127.0.0.1:{edge}/market"
    finally:
        running.terminate()
        running.wait()


def _followed(html: str) -> set[str]:
    return set(re.findall(r'\s(?:href|src|action|formaction|data-path)="([^"#]+)', html))


def test_each_page_leads_to_what_is_there(site: str, known: Callable[..., Any]) -> None:
    """A buyer and an admin log in by the form and follow every link of the pages that they come to."""
    seen: set[str] = set()
    for role in (Role.BUYER, Role.ADMIN):
        with httpx.Client(headers=HTML, trust_env=False, timeout=60) as browser:
            token = re.search(r'name="csrf" value="([^"]+)"', browser.get(f"{site}/login").text)
            assert token
            entered = browser.post(f"{site}/login", data={"csrf": token[1], "key": known(role).token})
            assert (entered.status_code, entered.headers["location"][:8]) == (303, "/market/")
            waiting = [urljoin(site, entered.headers["location"]), f"{site}/", f"{site}/problems"]
            while waiting and len(seen) < 80:
                address = waiting.pop()
                if address in seen:
                    continue
                seen.add(address)
                answer = browser.get(address)
                assert answer.status_code in (200, 303, 405), f"{answer.status_code} {address}"
                if answer.status_code == 303:
                    assert answer.headers["location"].startswith("/market/"), address
                if "text/html" not in answer.headers.get("content-type", ""):
                    continue
                for path in _followed(answer.text):
                    onward = urljoin(address, path.replace("&amp;", "&"))
                    if urlsplit(onward).netloc == urlsplit(site).netloc:
                        assert urlsplit(onward).path.startswith("/market/"), f"{path} on {address}"
                        if not any(word in onward for word in ("/logout", "/openapi.json")):
                            waiting.append(onward)
    assert len(seen) > 30


def test_the_client_the_document_and_problems_know_where_the_service_lies(
    site: str, known: Callable[..., Any], upload: Callable[..., Any]
) -> None:
    provider = known(Role.PROVIDER)
    with Client(site, provider.token) as client:
        made = client.upload_dataset("numbers", b"a,label\n1,x\n2,y\n3,x\n", target="label", format="csv")
        assert client.get(f"/v1/datasets/{made['id']}")["id"] == made["id"]
    key = {"Authorization": f"Bearer {provider.token}"}
    with httpx.Client(trust_env=False, timeout=60) as plain:
        created = plain.post(f"{site}/v1/datasets", json={"name": "b", "target": "label"}, headers=key)
        assert created.headers["location"] == f"/market/v1/datasets/{created.json()['id']}"
        assert plain.get(urljoin(site, created.headers["location"]), headers=key).status_code == 200
        assert plain.get(f"{site}/openapi.json").json()["servers"][0]["url"] == "/market"
        problem = plain.get(f"{site}/v1/datasets/nothing", headers=key).json()
        assert problem["type"].startswith(f"{site}/problems/")
        assert plain.get(problem["type"]).status_code == 200


def test_paths_that_only_begin_alike_are_others(settings: Settings) -> None:
    with TestClient(create_app(settings)) as client:
        assert client.get("/marketing/login", headers=HTML).status_code == 404
        assert client.get("/market/healthz").status_code == 200
        assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    ("url", "mount"), [("https://a.example", ""), ("https://a.example/", ""), ("https://a.example/x/y/", "/x/y")]
)
def test_the_mount_is_the_path_of_the_public_address(url: str, mount: str) -> None:
    assert mount_of(url) == mount


def test_no_template_has_an_attribute_that_would_lead_out_of_the_mount() -> None:
    """Whatever attribute of a template begins with a slash is one that is rewritten, or one that nobody follows."""
    for template in sorted(TEMPLATES.glob("*.html")):
        for attribute in re.finditer(r'\s([a-z-]+)="/', template.read_text()):
            known = attribute[1] in _SHOWN or _FOLLOWED.match(f' {attribute[1]}="/')
            assert known, f"{template.name}: {attribute[1]} begins with a slash; add it to app.http.mounting"
