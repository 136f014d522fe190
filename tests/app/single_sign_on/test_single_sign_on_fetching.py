"""A provider is asked as restrictedly as a webhook is sent, and what it answers is bounded."""

from collections.abc import Iterator

import pytest

from app.errors import Unavailable
from app.single_sign_on import fetching, protocol
from app.single_sign_on.fetching import Fetcher
from app.webhooks.guard import AddressPolicy
from tests.app.single_sign_on.local_provider import LocalProvider, running

LOCAL = AddressPolicy(allow_http=True, allow_private=True)


@pytest.fixture
def local() -> Iterator[LocalProvider]:
    with running() as provider:
        yield provider


def test_a_name_that_leads_into_our_network_is_not_asked(local: LocalProvider) -> None:
    public = Fetcher(AddressPolicy(allow_http=True), resolve=lambda _host, _port: ["127.0.0.1"])
    with pytest.raises(Unavailable, match="not public"):
        public.get("http://login.harbour.example/.well-known/openid-configuration")
    with pytest.raises(Unavailable, match="https"):
        Fetcher(AddressPolicy(allow_private=True)).get(local.url)
    assert local.asked == []


def test_what_is_no_small_object_of_json_is_refused(local: LocalProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    fetcher = Fetcher(LOCAL)
    assert fetcher.get(f"{local.url}/keys")["keys"]
    with pytest.raises(Unavailable, match="answered 400"):
        fetcher.get(f"{local.url}/elsewhere")
    monkeypatch.setattr(fetching, "MOST_BYTES", 100)
    with pytest.raises(Unavailable, match="more than 100 bytes"):
        fetcher.get(f"{local.url}/keys")


def test_who_does_not_answer_is_not_waited_for(local: LocalProvider) -> None:
    url = local.url.rpartition(":")[0] + ":1"
    with pytest.raises(Unavailable, match="not one for web servers"):
        Fetcher(LOCAL).get(url)
    with pytest.raises(Unavailable, match="did not answer"):
        Fetcher(LOCAL, seconds=0.0).get(local.url)


def test_a_document_must_be_the_issuer_s_own_and_name_where_to_go(local: LocalProvider) -> None:
    fetcher = Fetcher(LOCAL)
    assert protocol.discover(fetcher, local.url).token == f"{local.url}/token"
    assert not any(each.startswith(("HS", "none")) for each in protocol.ALGORITHMS)
    for document, why in (
        ({"issuer": f"{local.url}/"}, "another issuer"),
        ({"token_endpoint": None}, "lacks one of"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "not https"),
    ):
        local.document = document
        with pytest.raises(Unavailable, match=why):
            protocol.discover(fetcher, local.url)
    local.document = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    assert protocol.discover(fetcher, local.url).secret_in_form
