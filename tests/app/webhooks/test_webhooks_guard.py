"""Where a webhook may go: no form of a private address, no name of one, whatever the name server says and when."""

import base64
import socket

import httpcore
import httpx
import pytest

from app.settings import Settings
from app.webhooks import guard, transport
from app.webhooks.guard import AddressPolicy, Refused

PUBLIC = "93.184.215.14"
SEED = base64.b64encode(bytes(32)).decode()
STRICT = AddressPolicy()


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/",
        "https://127.1/",
        "https://127.0.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.0.0.1/",
        "https://0177.0.0.1/",
        "https://017700000001/",
        "https://127.0.0.1./",
        "https://127。0。0。1/",
        "https://①②⑦.⓪.⓪.①/",
        "https://１２７.0.0.1/",
        "https://%31%32%37.0.0.1/",
        "https://0.0.0.0/",
        "https://0/",
        "https://10.0.0.1/",
        "https://172.16.0.1/",
        "https://192.168.1.1/",
        "https://100.64.0.1/",
        "https://100.100.100.200/",
        "https://169.254.169.254/latest/meta-data/",
        "https://168.63.129.16/",
        "https://192.0.0.192/",
        "https://198.18.0.1/",
        "https://224.0.0.1/",
        "https://240.0.0.1/",
        "https://255.255.255.255/",
        "https://[::1]/",
        "https://[::]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:7f00:1]/",
        "https://[::127.0.0.1]/",
        "https://[2002:7f00:1::]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[64:ff9b:1::1]/",
        "https://[2001:0:7f00:1::]/",
        "https://[fe80::1]/",
        "https://[fe80::1%25eth0]/",
        "https://[fc00::1]/",
        "https://[fd00:ec2::254]/",
        "https://[fec0::1]/",
        "https://[ff02::1]/",
        "https://localhost/",
        "https://LOCALHOST/",
        "https://localhost./",
        "https://a.localhost/",
        "https://postgres/",
        "https://metadata.google.internal/",
        "https://printer.local/",
        "https://router.home.arpa/",
        "http://hooks.example.com/",
        "ftp://hooks.example.com/",
        "file:///etc/passwd",
        "gopher://hooks.example.com/",
        "//hooks.example.com/",
        "hooks.example.com",
        "https:///x",
        "https://user@hooks.example.com/",
        "https://user:password@hooks.example.com/",
        "https://hooks.example.com\\@127.0.0.1/",
        "https://hooks.example.com/#part",
        "https://hooks.example.com:22/",
        "https://hooks.example.com:0/",
        "https://hooks.example.com:99999/",
        "https://exa mple.com/",
        "https://exa\tmple.com/",
        "https://-a.example.com/",
        "https://a..example.com/",
        f"https://{'a' * 64}.example.com/",
        "https://hooks.example.com/" + "a" * 2000,
    ],
)
def test_no_url_into_our_own_network_is_allowed(url: str) -> None:
    with pytest.raises(Refused):
        guard.parse(url, STRICT)


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.com/cherish?a=b",
        "https://hooks.example.com:8443/",
        "https://bücher.example.com/",
        f"https://{PUBLIC}/",
        "https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/",
    ],
)
def test_public_https_urls_are_allowed(url: str) -> None:
    assert guard.parse(url, STRICT).scheme == "https"


def test_plain_http_is_for_development_only() -> None:
    assert guard.parse("http://hooks.example.com/", AddressPolicy(allow_http=True)).scheme == "http"
    production = Settings(environment="production", key_pepper="p" * 32, signing_secret="s" * 32, certificate_key=SEED)
    assert guard.policy_of(production) == STRICT


def test_private_targets_cannot_be_allowed_in_production() -> None:
    with pytest.raises(ValueError, match="WEBHOOK_ALLOW_PRIVATE"):
        Settings(
            environment="production",
            key_pepper="p" * 32,
            signing_secret="s" * 32,
            certificate_key=SEED,
            webhook_allow_private=True,
        )


@pytest.mark.parametrize("private", ["10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::a01:203", "fe80::1%eth0", "nonsense"])
def test_one_address_that_is_not_public_refuses_the_name_and_is_not_told(private: str) -> None:
    with pytest.raises(Refused) as refusal:
        guard.checked([PUBLIC, private], STRICT)
    assert private not in str(refusal.value)


def test_a_public_address_behind_nat64_is_public() -> None:
    assert guard.checked(["64:ff9b::5db8:d70e"], STRICT) == ["64:ff9b::5db8:d70e"]


class Dial(httpcore.NetworkBackend):
    """Records where a connection would go, and refuses it."""

    def __init__(self) -> None:
        self.dialled: list[str] = []

    def connect_tcp(self, host: str, port: int, *_: object, **__: object) -> httpcore.NetworkStream:
        self.dialled.append(host)
        raise httpcore.ConnectError("refused")


class Rebinding:
    """A name server that answers a public address first and this machine's from then on."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, host: str, port: int) -> list[str]:
        self.asked += 1
        return [PUBLIC] if self.asked == 1 else ["127.0.0.1"]


def test_a_name_that_changes_its_mind_is_asked_once_per_attempt_and_never_reached() -> None:
    url, dial, resolve = httpx.URL("https://hooks.example.com/"), Dial(), Rebinding()
    first = transport.post(url, b"{}", {}, STRICT, resolve=resolve, dial=dial)
    assert resolve.asked == 1
    assert dial.dialled == [PUBLIC], "the connection goes to the address that was checked"
    assert first.error == "could not connect: refused"
    second = transport.post(url, b"{}", {}, STRICT, resolve=resolve, dial=dial)
    assert resolve.asked == 2
    assert dial.dialled == [PUBLIC], "nothing was dialled again"
    assert second.error is not None
    assert second.error.startswith("not sent: ")


def test_a_name_without_an_address_is_a_failed_attempt() -> None:
    def nowhere(host: str, port: int) -> list[str]:
        raise socket.gaierror(-2, "Name or service not known")

    answer = transport.post(httpx.URL("https://hooks.example.com/"), b"{}", {}, STRICT, resolve=nowhere)
    assert answer.status is None
    assert answer.error == "could not connect: the URL's host has no address; check the name"


def test_the_next_address_is_tried_where_one_does_not_answer() -> None:
    dial = Dial()
    others = ["93.184.215.15", "93.184.215.16", "93.184.215.17"]
    transport.post(
        httpx.URL("https://hooks.example.com/"), b"{}", {}, STRICT, resolve=lambda *_: [PUBLIC, *others], dial=dial
    )
    assert dial.dialled == [PUBLIC, *others[:2]], "three are tried at most"
