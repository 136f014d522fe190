"""Passkeys in a real browser with a virtual authenticator: made on the page, used at the login, removed; CSP holds."""

import re
import socket
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from app.accounts import service, users
from app.db.session import make_engine, make_session_factory, transaction
from app.embedded.stack import EmbeddedStack
from app.identity import Role
from app.settings import Settings
from tests.app.web.browsing import CHROMIUM, FLAGS, LISTEN

EMAIL, PASSWORD = "ada@harbour.example", "a quiet harbour at dawn"
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine: apt-get install chromium"),
    pytest.mark.timeout(600),
]


@pytest.fixture
def url() -> Iterator[str]:
    """A stack reached by a host's name, as passkeys need it, and a user in it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    named = f"http://localhost:{port}"
    home = Path(tempfile.gettempdir()) / f"cherish-keys-{uuid.uuid4().hex[:10]}"
    stack = EmbeddedStack(home, workers=0, port=port, durable=False, env={"CHERISH_PUBLIC_URL": named})
    try:
        stack.start()
        settings = Settings.from_variables(stack.settings_env())
        engine = make_engine(settings.database_url.get_secret_value(), pool_size=1)
        with transaction(make_session_factory(engine)) as session:
            account = service.create_account(session, "Harbour", Role.BUYER)
            users.create_user(session, account, EMAIL, "Ada", PASSWORD)
        engine.dispose()
        yield named
    finally:
        stack.destroy()


@pytest.fixture
def page(url: str) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        context = browser.new_context(base_url=url)
        context.add_init_script(LISTEN)
        page = context.new_page()
        page.set_default_timeout(60_000)
        chrome = context.new_cdp_session(page)
        chrome.send("WebAuthn.enable")
        device = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
        }
        chrome.send("WebAuthn.addVirtualAuthenticator", {"options": device})
        yield page
        browser.close()


def test_a_passkey_is_made_on_the_page_logs_in_and_is_removed(page: Page) -> None:
    page.goto("/login")
    page.get_by_label("Email").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in", exact=True).click()
    page.wait_for_url("**/jobs")
    page.goto("/passkeys")
    page.get_by_label("Its name").fill("laptop")
    page.get_by_label("Your password").fill("not the password, I fear")
    page.get_by_role("button", name="Make it").click()
    expect(page.locator("#new-passkey [role=alert]")).to_contain_text("password is wrong")
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Make it").click()
    expect(page.get_by_role("region", name="Passkeys")).to_contain_text("laptop")
    page.get_by_role("button", name="Log out").click()
    page.goto("/login?next=/money")
    page.get_by_role("button", name="Log in with a passkey").click()
    page.wait_for_url(re.compile(r"localhost:\d+/money$"))
    page.goto("/passkeys")
    page.get_by_label("Password, to remove laptop").fill(PASSWORD)
    page.get_by_role("button", name="Remove laptop").click()
    expect(page.get_by_text("None yet.")).to_be_visible()
    assert page.evaluate("window.violations") == []
    page.get_by_role("button", name="Log out").click()
    page.goto("/login")
    page.get_by_role("button", name="Log in with a passkey").click()
    expect(page.locator("#with-passkey [role=alert]")).to_contain_text("not known here")
