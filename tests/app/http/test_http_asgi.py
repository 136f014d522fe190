"""What is read off ASGI's scopes and messages."""

from app.http import asgi


def test_a_request_is_told_from_a_start_up() -> None:
    assert asgi.is_http({"type": "http"})
    assert not asgi.is_http({"type": "lifespan"})
    assert asgi.path_of({"type": "http", "path": "/v1/me"}) == "/v1/me"


def test_an_answers_first_message_has_its_status_and_no_other_has() -> None:
    assert asgi.status_of({"type": "http.response.start", "status": 404}) == 404
    assert asgi.status_of({"type": "http.response.body", "body": b"x"}) is None
    assert asgi.is_body({"type": "http.response.body"})
    assert not asgi.is_body({"type": "http.response.start", "status": 200})


def test_a_body_goes_on_until_a_message_says_so_no_more() -> None:
    assert asgi.is_request({"type": "http.request"})
    assert not asgi.is_request({"type": "http.disconnect"})
    assert (asgi.piece_of({"type": "http.request"}), asgi.goes_on({"type": "http.request"})) == (b"", False)
    message = {"type": "http.request", "body": b"ab", "more_body": True}
    assert (asgi.piece_of(message), asgi.goes_on(message)) == (b"ab", True)
