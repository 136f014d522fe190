"""Letters arrive by the backend that the settings name, and one that cannot be sent is told without its words."""

import socket
import threading
from email import message_from_bytes, policy
from pathlib import Path

import pytest

from app import mail
from app.accounts import letters
from app.settings import Settings

LETTER = mail.Letter("ada@harbour.example", "Grüße", "Ä secret-token\n")


def test_a_file_holds_the_letter_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    settings = Settings(mail="file", mail_folder=str(tmp_path / "new" / "mail"))
    assert mail.deliver(settings, LETTER)
    (path,) = (tmp_path / "new" / "mail").iterdir()
    assert path.stat().st_mode & 0o077 == 0
    read = message_from_bytes(path.read_bytes(), policy=policy.default)
    assert (read["To"], read["Subject"]) == (LETTER.to, LETTER.subject)
    assert read.get_content() == LETTER.text


def test_the_console_shows_the_letter(capsys: pytest.CaptureFixture[str]) -> None:
    assert mail.deliver(Settings(), mail.Letter("a@b.example", "s", "plain words"))
    assert "plain words" in capsys.readouterr().err


@pytest.mark.parametrize(
    "letter", [mail.Letter("a@b.example\nBcc: x@y.example", "s", ""), mail.Letter("a@b.example", "s\nX: y", "")]
)
def test_a_line_end_in_a_header_sends_nothing(tmp_path: Path, letter: mail.Letter) -> None:
    assert not mail.deliver(Settings(mail="file", mail_folder=str(tmp_path)), letter)
    assert list(tmp_path.iterdir()) == []


def test_a_server_is_sent_the_letter_and_without_its_tls_none(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        heard: list[bytes] = []
        speaking = threading.Thread(target=_speak, args=(server, heard, 2))
        speaking.start()
        port = server.getsockname()[1]
        plain = Settings(mail="smtp", smtp_host="127.0.0.1", smtp_port=port, smtp_tls="none")
        assert mail.deliver(plain, LETTER)
        # this server has no TLS: nothing is sent to it in the open
        assert not mail.deliver(plain.model_copy(update={"smtp_tls": "starttls"}), LETTER)
        speaking.join(10)
    assert b"To: ada@harbour.example" in heard[0]
    assert b"To:" not in heard[1]


def _speak(server: socket.socket, heard: list[bytes], conversations: int) -> None:
    """As much of an SMTP server as a client needs, without TLS."""
    for _ in range(conversations):
        connection, _ = server.accept()
        told = b""
        with connection, connection.makefile("rwb", buffering=0) as lines:
            lines.write(b"220 here\r\n")
            inside = False
            while line := lines.readline():
                told += line
                if inside and line != b".\r\n":
                    continue
                verb = line[:4].upper()
                inside = verb == b"DATA"
                lines.write(b"354 go\r\n" if inside else b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n")
                if verb == b"QUIT":
                    break
        heard.append(told)


def test_letters_say_where_from_and_for_how_long() -> None:
    settings = Settings(public_url="https://market.example/", reset_minutes=30)
    reset = letters.reset(settings, "a@b.example", "Ada", "tok")
    invited = letters.invitation(settings, "a@b.example", "Ada", "北京", "tok")
    for letter in (reset, invited):
        assert "https://market.example/invitation?token=tok" in letter.text
    assert "30 minutes" in reset.text
    assert "北京" in invited.text
