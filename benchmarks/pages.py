"""``python -m benchmarks.pages [REQUESTS]``: the server's time for each page, on a stack of its own with data in it.

A buyer, a provider and an administrator are logged in; each page is asked for REQUESTS times (40), one after the other,
on this machine, so that what is measured is rendering and the database, and no network. Prints medians and 95th
percentiles in milliseconds as a table, and the processor time that the API's process took for a request (Linux), which
says the same on a machine that does other things meanwhile. Where Chromium is installed, a second table has what a
browser fetches for the first page and for a job on an empty cache, at three widths, and how far the layout shifts.
"""

import os
import re
import shutil
import statistics
import sys
import tempfile
import time
import uuid
from pathlib import Path

import httpx

from app.accounts import service
from app.db.session import make_engine, make_session_factory, transaction
from app.demo.digits import TARGET, digits_market
from app.embedded.stack import EmbeddedStack
from app.identity import Role
from app.settings import Settings
from cherish import Client

PAGES = {
    "buyer": [
        "/",
        "/jobs",
        "/jobs/new",
        "JOB",
        "CERTIFICATE",
        "/catalogue",
        "/catalogue?q=digits",
        "LISTING",
        "/datasets",
        "/checkpoints",
        "/money",
        "/keys",
        "/people",
        "/webhooks",
        "/audit",
    ],
    "provider": ["/datasets", "DATASET", "/earnings", "/money"],
    "admin": ["/admin", "/admin/accounts", "ACCOUNT", "/admin/ledger", "/admin/disputes", "/audit"],
}
PLAYERS = 6
WIDTHS = (390, 1024, 1440)
SHIFTS = """
window.shift = 0;
new PerformanceObserver((list) => {
    for (const each of list.getEntries()) if (!each.hadRecentInput) window.shift += each.value;
}).observe({ type: "layout-shift", buffered: true });
"""
WEIGHT = """() => {
    const all = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
    return [all.length, all.reduce((sum, each) => sum + each.transferSize, 0)];
}"""


def main() -> None:
    requests = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    home = Path(tempfile.gettempdir()) / f"cherish-pages-{uuid.uuid4().hex[:10]}"
    # with a job on the first page: what it reads is measured, too
    stack = EmbeddedStack(home, workers=1, durable=False, env={"CHERISH_SHOWN_BUYER": "Buyer"})
    try:
        stack.start()
        tokens, known = _market(stack)
        api = _process_of(stack.api_url)
        print("| page | as | median ms | 95 % ms | processor ms | kB |\n|---|---|---|---|---|---|")
        for role, paths in PAGES.items():
            with httpx.Client(base_url=stack.api_url, headers={"Accept": "text/html"}, trust_env=False) as browser:
                _log_in(browser, tokens[role])
                for path in paths:
                    _measure(browser, api, role, path, known.get(path, path), requests)
        if (chromium := shutil.which("chromium") or shutil.which("chromium-browser")) is not None:
            _fetched(chromium, stack.api_url, tokens["buyer"], known["JOB"])
    finally:
        stack.destroy()


def _fetched(chromium: str, url: str, token: str, job: str) -> None:
    """Print what a browser with an empty cache fetches for a page, and its cumulative layout shift."""
    from playwright.sync_api import sync_playwright

    print("\n| page | width | requests | kB | layout shift |\n|---|---|---|---|---|")
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for name, path in (("first page", "/"), ("a job that has ended", job)):
            for width in WIDTHS:
                context = browser.new_context(base_url=url, viewport={"width": width, "height": 900})
                context.add_init_script(SHIFTS)
                page = context.new_page()
                if path != "/":
                    page.goto("/login")
                    page.get_by_text("Log in with an API key instead").click()
                    page.get_by_label("API key").fill(token)
                    page.get_by_role("button", name="Log in with the key").click()
                    page.wait_for_url("**/jobs")
                    # what the login fetched is not the job's
                    page.context.new_cdp_session(page).send("Network.clearBrowserCache")
                page.goto(path, wait_until="networkidle")
                requests, size = page.evaluate(WEIGHT)
                print(
                    f"| {name} | {width} | {requests} | {size / 1000:.1f} | {page.evaluate('shift'):.3f} |", flush=True
                )
                context.close()
        browser.close()


def _process_of(url: str) -> int:
    """The process that serves ``url``: the one with the command to do so and this address among its settings."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command, settings = (folder / "cmdline").read_bytes(), (folder / "environ").read_bytes()
        except OSError:
            continue
        if b"\0serve\0" in command and f"CHERISH_PUBLIC_URL={url}\0".encode() in settings:
            return int(folder.name)
    raise RuntimeError(f"no process serves {url}")


def _processor(pid: int) -> float:
    """Seconds of processor time that a process has taken so far, its own and the system's on its behalf."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _measure(browser: httpx.Client, api: int, role: str, name: str, path: str, requests: int) -> None:
    seconds = []
    for number in range(requests + 3):
        if number == 3:
            before = _processor(api)
        started = time.perf_counter()
        answer = browser.get(path)
        seconds.append(time.perf_counter() - started)
        assert answer.status_code == 200, (path, answer.status_code)
    spent = 1000 * (_processor(api) - before) / requests
    # the first few fill caches
    taken = sorted(1000 * each for each in seconds[3:])
    worst = taken[int(0.95 * (len(taken) - 1))]
    figures = f"{statistics.median(taken):.1f} | {worst:.1f} | {spent:.1f} | {len(answer.content) / 1000:.1f}"
    print(f"| {name} | {role} | {figures} |", flush=True)


def _log_in(browser: httpx.Client, token: str) -> None:
    found = re.search(r'name="csrf" content="([^"]+)"', browser.get("/login").text)
    assert found is not None
    assert browser.post("/login", data={"csrf": found[1], "key": token}).status_code == 303


def _market(stack: EmbeddedStack) -> tuple[dict[str, str], dict[str, str]]:
    """A job that has ended, among providers of digits: the keys by role, and the paths of what was made."""
    settings = Settings.from_variables(stack.settings_env())
    files, test = digits_market()
    engine = make_engine(settings.database_url.get_secret_value(), pool_size=1)
    with transaction(make_session_factory(engine)) as session:

        def person(name: str, role: Role) -> tuple[str, str]:
            account = service.create_account(session, name, role)
            return f"acc_{account.id.hex}", service.issue_key(session, settings, account, "first key")[1]

        admin = person("Operator", Role.ADMIN)[1]
        buyer_id, buyer = person("Buyer", Role.BUYER)
        providers = [person(file.owner, Role.PROVIDER)[1] for file in files[:PLAYERS]]
    engine.dispose()
    datasets = []
    for token, file in zip(providers, files, strict=False):
        with Client(stack.api_url, token) as client:
            made = client.upload_dataset(file.owner, file.content, target=TARGET, format=file.format)
            client.publish_dataset(made["id"], "CC0-1.0")
            datasets.append(made["id"])
    with Client(stack.api_url, admin) as client:
        deposit = {"account_id": buyer_id, "amount": "1000.00", "currency": "EUR", "reference": "benchmark"}
        client.post("/v1/ledger/deposits", deposit)
    with Client(stack.api_url, buyer) as client:
        mine = client.upload_dataset("test", test.content, target=TARGET, format=test.format, kind="test")
        job = client.create_valuation(
            datasets=datasets, test_dataset=mine["id"], pool="500.00", currency="EUR", max_retrains=16
        )
        ended = client.wait(job["id"], timeout=300)
    assert ended["status"] == "succeeded", ended
    tokens = {"buyer": buyer, "provider": providers[0], "admin": admin}
    return tokens, {
        "JOB": f"/jobs/{job['id']}",
        "CERTIFICATE": f"/jobs/{job['id']}/certificate",
        "DATASET": f"/datasets/{datasets[0]}",
        "LISTING": f"/catalogue/{datasets[0]}",
        "ACCOUNT": f"/admin/accounts/{buyer_id}",
    }


if __name__ == "__main__":
    main()
