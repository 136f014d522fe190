"""The service below a path of somebody's host: ``public_url`` https://example.org/market serves all under ``/market``.

Inside, paths are those of docs/api.md whatever the mount. What leaves for a browser or a client to follow, a
``Location`` or an address on a page, has the mount in front. Proxies may strip it from what they hand on or leave it;
both arrive the same. Addresses in JSON (``links``) are relative to the API's base address, as OpenAPI's paths are.
"""

import re
from contextvars import ContextVar
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# what a browser follows; an attribute's value cannot be mistaken for text, in which quotes are escaped
_FOLLOWED = re.compile(r'(\s(?:href|src|action|formaction|hx-(?:get|post)|data-(?:base|path|stream|uploads))=")/(?!/)')
_HEADERS = ("Location", "HX-Redirect")
_MOUNT: ContextVar[str] = ContextVar("mount", default="")


def mount_of(public_url: str) -> str:
    """The path below which the service lies, without a slash at its end; empty where it has a host of its own."""
    return urlsplit(public_url).path.rstrip("/")


def mounted(path: str) -> str:
    """The path as this request's browser asks for it; whatever is not a path of this host stays as it is."""
    return _MOUNT.get() + path if path.startswith("/") and not path.startswith("//") else path


def mounted_page(html: str) -> str:
    """A page or a part of one whose attributes lead to where this request's browser finds them."""
    mount = _MOUNT.get()
    return _FOLLOWED.sub(rf"\g<1>{mount}/", html) if mount else html


class Mounted:
    """ASGI middleware: takes the mount from requests' paths, and puts it before the paths that headers tell."""

    def __init__(self, app: ASGIApp, mount: str) -> None:
        self.app, self.mount = app, mount

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        _MOUNT.set(self.mount)
        path = str(scope["path"])
        if path == self.mount or path.startswith(f"{self.mount}/"):
            inner = path[len(self.mount) :] or "/"
            scope = {**scope, "path": inner, "raw_path": bytes(scope["raw_path"])[len(self.mount) :] or b"/"}

        async def send_mounted(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name in _HEADERS:
                    if name in headers:
                        headers[name] = mounted(headers[name])
            await send(message)

        await self.app(scope, receive, send_mounted)
