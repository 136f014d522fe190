"""The page that says whose copy a leaked file is."""

from collections.abc import Callable
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Browser as Chromium

from app.web import tracing
from tests.app.conftest import Known
from tests.app.datasets.uploads.test_uploads_resumable import server
from tests.app.valuations.test_valuations_data_delivery import Settled, settled, table
from tests.app.web.browsing import AXE, CHROMIUM, LISTEN
from tests.app.web.test_web_rules import Browser, browser

__all__ = ["browser", "server", "settled"]


def test_a_leaked_copy_names_its_buyer_and_another_file_says_why_not(
    settled: Callable[..., Settled], browser: Callable[[], Browser], buyer: Known
) -> None:
    job = settled()
    owner, dataset = job.providers[0], f"/datasets/ds_{job.datasets[0].hex}"
    here = browser().log_in(owner)
    assert "in an order of its own yet" in here.get(f"{dataset}/trace").text
    copy = job.get().content
    assert f'href="{dataset}/trace"' in here.get(dataset).text
    headers = {"X-CSRF-Token": here.token(f"{dataset}/trace"), "Accept": "application/json"}

    def traced(content: bytes) -> tuple[int, str]:
        answer = here.put(f"{dataset}/trace/content", content=content, headers=headers)
        assert answer.headers["content-type"].startswith("text/html"), answer.text
        return answer.status_code, answer.text

    status, said = traced(copy)
    assert (status, f"It is a copy of {buyer.account.name}" in said, "100 %" in said) == (200, True, True), said
    assert "order of the uploaded file" in traced(table(1))[1]
    assert traced(b"nothing\n")[0] == 422
    here.get("/language/de?back=/")
    assert f"Es ist eine Kopie von {buyer.account.name}" in traced(copy)[1]
    assert "Wessen Kopie ist eine Datei?" in here.get(f"{dataset}/trace").text
    without = here.put(f"{dataset}/trace/content", content=copy)
    assert without.status_code == 403, "a page of somebody else's sends no token"


def test_nobody_else_sees_the_page(settled: Callable[..., Settled], browser: Callable[[], Browser]) -> None:
    job = settled()
    stranger = browser().log_in(job.providers[1])
    assert stranger.get(f"/datasets/ds_{job.datasets[0].hex}/trace").status_code == 404
    assert browser().log_in(job.buyer).get(f"/datasets/ds_{job.datasets[0].hex}/trace").status_code == 403
    assert tracing.router.routes


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine: apt-get install chromium")
def test_in_a_browser_the_file_is_sent_as_it_is_and_the_answer_is_on_the_page(
    settled: Callable[..., Settled],
    browser: Callable[[], Browser],
    buyer: Known,
    chromium: Chromium,
    server: uvicorn.Server,
    tmp_path: Path,
) -> None:
    job = settled()
    here = browser().log_in(job.providers[0])
    (tmp_path / "leak.csv").write_bytes(job.get().content)
    port = server.servers[0].sockets[0].getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    context = chromium.new_context(base_url=url)
    context.add_init_script(LISTEN)
    context.add_cookies([{"name": each.name, "value": each.value or "", "url": url} for each in here.cookies.jar])
    page = context.new_page()
    page.goto(f"/datasets/ds_{job.datasets[0].hex}/trace")
    page.set_input_files("#trace input[type=file]", str(tmp_path / "leak.csv"))
    page.click("#trace button")
    page.wait_for_selector("#traced section")
    assert f"It is a copy of {buyer.account.name}" in page.inner_text("#traced")
    page.evaluate(AXE)
    assert (page.evaluate("axe.run()")["violations"], page.evaluate("violations")) == ([], [])
    context.close()
