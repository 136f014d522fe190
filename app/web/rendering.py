"""From templates to answers: the environment, its filters, the headers of every page, and pages for errors.

Filters write numbers, amounts and times in the page's one locale (``localisation``), amounts and times with the plain
value beside; a script says times again in the viewer's zone. Nothing here reads a database.
"""

import base64
import hashlib
import uuid
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape

from app.accounts.policy import SecondFactorRequired
from app.errors import CherishError, Unauthorized
from app.http import browsers
from app.http.ids import public_id
from app.http.mounting import mounted_page
from app.payouts import money
from app.settings import Settings
from app.web import localisation
from app.web.composed import composed
from app.web.visitors import Visitor, form_token
from contract.metrics import METRICS

HERE = Path(__file__).parent
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_MINUTE, _HOUR = 60, 3600


def moment(value: datetime | None) -> Markup:
    """A time, in UTC until the script puts it into the viewer's zone; the zone is named."""
    if value is None:
        return Markup('<span class="none">—</span>')
    return Markup('<time datetime="{}">{}</time>').format(value.isoformat(), localisation.moment(value))


def amount(value: str | None, currency: str) -> Markup:
    """A decimal string with its currency, and the plain value beside."""
    if value is None:
        return Markup('<span class="none">—</span>')
    shown = localisation.currency(value, currency)
    return Markup('<data class="money" value="{}" data-currency="{}">{}</data>').format(value, currency, shown)


def percent(value: float | None, digits: int = 1) -> str:
    """A part of one in percent, whose sign stays on the number's line."""
    return "—" if value is None else f"{localisation.number(100 * value, digits)}\N{NO-BREAK SPACE}%"


def number(value: float | None, digits: int = 4) -> str:
    """A number of the metric, with a real minus sign."""
    return "—" if value is None else localisation.number(value, digits).replace("-", "−")


def sentence(text: str) -> str:
    """An error's words as a sentence of a page: with a capital and a full stop."""
    return text and text[0].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def png(content: bytes) -> str:
    """A small picture as an address that holds it."""
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"


def whole(value: int | None) -> str:
    return "—" if value is None else localisation.number(value, 0)


def duration(seconds: float | None) -> str:
    if seconds is None:
        return "—"
    if seconds < _MINUTE:
        return f"{seconds:.1f} s"
    if seconds < _HOUR:
        return f"{int(seconds // _MINUTE)} min {int(seconds % _MINUTE)} s"
    return f"{int(seconds // _HOUR)} h {int(seconds % _HOUR // _MINUTE)} min"


def size(count: int | None) -> str:
    if count is None:
        return "—"
    scaled = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if scaled < 1000 or unit == "GB":
            break
        scaled /= 1000
    return f"{scaled:.0f} {unit}" if unit == "bytes" else f"{scaled:.1f} {unit}"


@lru_cache(maxsize=64)
def digest_of(path: str) -> str:
    """Of a vendored or own file: what its address carries, so that browsers may keep it."""
    return hashlib.sha256((HERE / "static" / path).read_bytes()).hexdigest()[:12]


def static(path: str) -> str:
    """The address of a vendored or own file."""
    return f"/static/{path}?v={digest_of(path)}"


def _id(value: uuid.UUID, prefix: str) -> str:
    return public_id(prefix, value)


def metric_name(named: str) -> Markup:
    """What a page calls a metric: its name in English, its title in other languages; its options stand behind it."""
    name, separator, told = named.partition(":")
    known = METRICS.get(name)
    if known is None or localisation.locale().language == "en":
        return escape(named.replace("_", " "))
    return composed(known.title) + separator + told


def environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {
        "moment": moment,
        "percent": percent,
        "number": number,
        "whole": whole,
        "png": png,
        "sentence": sentence,
        "duration": duration,
        "size": size,
        "pid": _id,
        "composed": composed,
        "metric": metric_name,
        "minor": money.plain,
    }
    made.globals |= {"static": static, "amount": amount, "_": localisation.gettext, "locale": localisation.locale}
    made.globals |= {"direction": localisation.direction, "languages": localisation.LANGUAGES}
    return made


TEMPLATES = environment()
_OF_PAGES = {"Content-Security-Policy": POLICY, "Cache-Control": "private, no-store"}


def page(
    request: Request,
    template: str,
    context: Mapping[str, Any] | None = None,
    *,
    visitor: Visitor | None,
    status: int = 200,
) -> HTMLResponse:
    """A whole page for this visitor, never kept by caches."""
    settings: Settings = request.app.state.settings
    localisation.use(request)
    theme = browsers.cookie_of(request, settings, "theme")
    response = HTMLResponse(status_code=status, headers=_OF_PAGES)
    shown: dict[str, Any] = {
        "visitor": visitor,
        "csrf": form_token(request, response, settings),
        "theme": theme if theme in ("light", "dark") else None,
        "path": request.url.path,
        "registration": settings.registration,
        **(context or {}),
    }
    response.body = mounted_page(TEMPLATES.get_template(template).render(shown)).encode()
    response.headers["Content-Length"] = str(len(response.body))
    return response


def fragment(template: str, context: Mapping[str, Any]) -> str:
    """A part of a page, to be put into one that is open."""
    return mounted_page(TEMPLATES.get_template(template).render(context))


def see_other(path: str) -> Response:
    """After a form has done its work: look there now."""
    return RedirectResponse(path, status_code=303)


def own_path(path: str) -> str | None:
    """The path, if it is one of this site and leads nowhere else."""
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable() else None


def error_page(request: Request, error: CherishError) -> Response:
    """An error as a page; who is not logged in is sent to the login, and comes back afterwards."""
    visitor: Visitor | None = getattr(request.state, "visitor", None)
    if isinstance(error, SecondFactorRequired):
        return RedirectResponse("/second-factor", status_code=303)
    if isinstance(error, Unauthorized) and request.url.path != "/login":
        target = f"/login?next={quote(request.url.path)}"
        if "hx-request" in request.headers:
            return Response(status_code=401, headers={"HX-Redirect": target})
        return RedirectResponse(target, status_code=303)
    shown = {"error": error, "request_id": getattr(request.state, "request_id", None)}
    if "hx-request" in request.headers:
        return HTMLResponse(fragment("_error.html", shown), status_code=error.status)
    return page(request, "error.html", shown, visitor=visitor, status=error.status)
