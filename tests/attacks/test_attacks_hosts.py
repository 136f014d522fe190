"""A Host header is somebody's word: no answer sends a browser where it says."""

import pytest
from fastapi.testclient import TestClient

from tests.app.conftest import Known


@pytest.mark.parametrize("path", ["/v1/datasets/", "/jobs/", "/login/", "/catalogue/", "/docs/", "/v1/me/", "/static/"])
def test_no_redirect_is_built_from_the_host_header(client: TestClient, buyer: Known, path: str) -> None:
    """Before: a path with a slash too many was answered with a 307 to http://evil.example/..., key and body with it."""
    for who in (client, buyer.client):
        for method in ("GET", "POST"):
            told = who.request(method, path, headers={"Host": "evil.example"}, follow_redirects=False)
            assert "evil.example" not in told.headers.get("location", "")
            assert "evil.example" not in told.text


def test_pages_send_browsers_to_paths_only(client: TestClient) -> None:
    told = client.get("/jobs", headers={"Host": "evil.example", "Accept": "text/html"}, follow_redirects=False)
    assert (told.status_code, told.headers["location"]) == (303, "/login?next=/jobs")
