"""The broker's URL: over TLS whoever answers must be who it says."""

import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import kombu
import pytest
import redis
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from kombu.utils.url import parse_url

from app.outbox.broker import CeleryBroker, broker_url


@pytest.fixture
def impostor(tmp_path: Path) -> Iterator[int]:
    """The port of a TLS server with a certificate that nobody has signed but itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    path = tmp_path / "impostor.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            try:
                with context.wrap_socket(connection, server_side=True) as spoken:
                    while spoken.recv(4096):
                        spoken.sendall(b"+OK\r\n")
            except OSError:
                continue

    threading.Thread(target=serve, daemon=True).start()
    yield listener.getsockname()[1]
    listener.close()


def test_over_tls_certificates_are_verified_unless_the_url_says_otherwise() -> None:
    spoken = parse_url(broker_url("rediss://:secret@redis.example/0"))["ssl"]
    assert spoken["ssl_cert_reqs"] == ssl.CERT_REQUIRED
    assert spoken["ssl_check_hostname"] is True
    assert parse_url(broker_url("rediss://redis.example/0?ssl_ca_certs=/ca.pem"))["ssl"] == spoken | {
        "ssl_ca_certs": "/ca.pem"
    }
    assert broker_url("rediss://h/0?ssl_cert_reqs=none") == "rediss://h/0?ssl_cert_reqs=none"
    assert broker_url("redis://h:1/0") == "redis://h:1/0"


def test_neither_side_of_ours_speaks_to_an_impostor(impostor: int) -> None:
    url = f"rediss://127.0.0.1:{impostor}/0"
    with pytest.raises(redis.exceptions.ConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
        redis.Redis.from_url(url, socket_timeout=2).ping()
    broker = CeleryBroker(url)
    with pytest.raises((kombu.exceptions.OperationalError, redis.exceptions.ConnectionError), match="CERTIFICATE"):
        broker.send("t", {}, "cpu", 0)
    broker.close()
