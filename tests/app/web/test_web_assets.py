"""Static files: kept for good under the name of their content, looked at again under others, compressed where taken."""

import gzip

from fastapi.testclient import TestClient

from app.web import assets, rendering

PATH = rendering.static("cherish.css")


def test_a_file_under_its_digest_is_kept_and_under_another_name_looked_at_again(client: TestClient) -> None:
    assert "immutable" in client.get(PATH).headers["cache-control"]
    for other in ("/static/cherish.css", "/static/cherish.css?v=000000000000"):
        assert client.get(other).headers["cache-control"] == "public, max-age=300"
    assert "immutable" not in client.get("/static/absent.css?v=1").headers.get("cache-control", "")


def test_text_is_compressed_for_browsers_that_take_it(client: TestClient) -> None:
    plain = client.get(PATH, headers={"Accept-Encoding": "identity"})
    with client.stream("GET", PATH, headers={"Accept-Encoding": "br, gzip"}) as answer:
        raw = b"".join(answer.iter_raw())
    assert answer.headers["content-encoding"] == "gzip"
    assert gzip.decompress(raw) == plain.content
    assert len(raw) < len(plain.content) / 2
    assert answer.headers["vary"] == "Accept-Encoding"
    assert "content-encoding" not in plain.headers
    assert answer.headers["content-type"] == plain.headers["content-type"]


def test_what_has_not_changed_is_not_sent_again_and_a_part_is_a_part_of_the_file(client: TestClient) -> None:
    seen = client.get(PATH).headers["etag"]
    assert client.get(PATH, headers={"If-None-Match": seen}).status_code == 304
    part = client.get(PATH, headers={"Range": "bytes=0-9", "Accept-Encoding": "gzip"})
    assert part.status_code == 206
    assert len(part.content) == 10


def test_pages_are_not_compressed_beside_their_form_tokens(client: TestClient) -> None:
    answer = client.get("/", headers={"Accept": "text/html", "Accept-Encoding": "gzip"})
    assert "content-encoding" not in answer.headers
    assert isinstance(assets.Assets(directory=rendering.HERE / "static"), assets.StaticFiles)
