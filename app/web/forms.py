"""Forms as browsers send them: urlencoded, small, read whole. It knows no field and checks no value."""

from collections.abc import Sequence
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import Depends, Request

from app.errors import InvalidInput

_MOST_FIELDS = 2000


class Form:
    """The fields of one form; what is missing or blank is the empty string."""

    def __init__(self, fields: dict[str, list[str]]) -> None:
        self._fields = fields

    def shown(self) -> dict[str, str]:
        """Every field as one text, for the audit log."""
        return {name: ", ".join(values) for name, values in self._fields.items() if any(values)}

    def text(self, name: str) -> str:
        """The first value of a field, without surrounding spaces."""
        return self._fields.get(name, [""])[0].strip()

    def all(self, name: str) -> Sequence[str]:
        """Every value of a field that is not blank."""
        return [value.strip() for value in self._fields.get(name, []) if value.strip()]

    def number(self, name: str) -> float | None:
        """A number, or None where the field is blank; raises InvalidInput naming the field."""
        text = self.text(name)
        if not text:
            return None
        try:
            return float(text)
        except ValueError:
            raise InvalidInput(f"{name.replace('_', ' ')}: {text[:40]!r} is not a number; write digits") from None

    def whole(self, name: str) -> int | None:
        """A whole number, or None where the field is blank; raises InvalidInput naming the field."""
        value = self.number(name)
        if value is None:
            return None
        if value != int(value):
            raise InvalidInput(f"{name.replace('_', ' ')}: {self.text(name)[:40]!r} is not a whole number")
        return int(value)

    def pairs(self, name: str) -> dict[str, float]:
        """``name=value`` pairs, separated by spaces, commas or lines; raises InvalidInput for what is none."""
        found = {}
        for pair in self.text(name).replace(",", " ").split():
            key, _, text = pair.partition("=")
            try:
                found[key] = float(text)
            except ValueError:
                raise InvalidInput(f"{pair[:40]!r} is not name=number, such as hidden=64") from None
        return found


async def read_form(request: Request) -> Form:
    """The form in the body; an empty one where the body is something else (an upload is not touched)."""
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        return Form({})
    body = await request.body()
    try:
        text = body.decode("ascii")
        form = Form(parse_qs(text, keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS))
    except (UnicodeDecodeError, ValueError):
        raise InvalidInput("the form could not be read; reload the page and send it again") from None
    request.state.form = form
    return form


FormDep = Annotated[Form, Depends(read_form)]
