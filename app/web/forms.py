"""Forms as browsers send them: the base of their models, and numbers out of their texts. It knows no field.

Each page declares its forms as models whose fields are texts, blank where the browser sent none. What a text means is
checked by the endpoint, so that a mistake is said on the page of the form, with everything else still filled in.
"""

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, model_validator

from app.errors import FieldError, InvalidInput
from app.http.schemas import Body
from app.http.validation import broken_rules

AnyBody = TypeVar("AnyBody", bound=Body)

MOST_FIELDS = 2000
MEDIA_TYPE = "application/x-www-form-urlencoded"

Texts = Annotated[list[str], AfterValidator(lambda texts: [text for text in texts if text])]
"""Every value of a field that may be sent several times, without the blank ones."""


class PageForm(BaseModel):
    """The fields of one form, without surrounding spaces; what belongs to other forms is ignored."""

    model_config = ConfigDict(str_strip_whitespace=True)

    @model_validator(mode="before")
    @classmethod
    def _insist_on_text(cls, fields: Any) -> Any:
        # bytes that are no UTF-8 arrive as the replacement character: nothing of them may be stored
        if "\N{REPLACEMENT CHARACTER}" in str(fields):
            raise ValueError("the form could not be read; reload the page and send it again")
        return fields


def number(name: str, text: str) -> float | None:
    """A number, or None where the text is blank; raises InvalidInput naming the field."""
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        raise InvalidInput(f"{name.replace('_', ' ')}: {text[:40]!r} is not a number; write digits") from None


def whole(name: str, text: str) -> int | None:
    """A whole number, or None where the text is blank; raises InvalidInput naming the field."""
    value = number(name, text)
    if value is None:
        return None
    if not value.is_integer():
        raise InvalidInput(f"{name.replace('_', ' ')}: {text[:40]!r} is not a whole number")
    return int(value)


def refused_form(error: ValidationError) -> InvalidInput:
    """What is wrong with a body that was made of a form, in one sentence for the form's page."""
    faults = [FieldError(rule.pointer, rule.sentence, rule.kind) for rule in broken_rules(error.errors())]
    return InvalidInput("; ".join(f"{fault.pointer.strip('/')}: {fault.detail}" for fault in faults), errors=faults)


def body_of(schema: type[AnyBody], said: Mapping[str, object]) -> AnyBody:
    """The API's body that a form's fields make; raises InvalidInput in the words of the form's page."""
    try:
        return schema.model_validate(said)
    except ValidationError as error:
        raise refused_form(error) from None


def lines(text: str) -> list[str]:
    """What stands on each line, without blank ones."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def renamings(name: str, text: str) -> dict[str, str]:
    """``old = new``, one a line; raises InvalidInput naming the field for a line that is none."""
    named = {}
    for line in lines(text):
        old, equals, new = (part.strip() for part in line.rpartition("="))
        if not (equals and old and new):
            raise InvalidInput(f"{name.replace('_', ' ')}: {line[:40]!r} is not `old = new`; write one a line")
        named[old] = new
    return named


def pairs(text: str) -> dict[str, float]:
    """``name=value`` pairs, separated by spaces, commas or lines; raises InvalidInput for what is none."""
    values = {}
    for pair in text.replace(",", " ").split():
        key, _, digits = pair.partition("=")
        try:
            values[key] = float(digits)
        except ValueError:
            raise InvalidInput(f"{pair[:40]!r} is not name=number, such as hidden=64") from None
    return values
