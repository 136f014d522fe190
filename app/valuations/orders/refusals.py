"""How an order is refused: by the field that is wrong, with the rule and the mend."""

from app.errors import FieldError, InvalidInput


def refused(pointer: str, detail: str) -> InvalidInput:
    """The refusal of one field of an order."""
    return InvalidInput(detail, errors=[FieldError(pointer, detail)])
