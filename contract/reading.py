"""How people may say that a column is read, and what happens to rows without a label: the words of both, once."""

from typing import Literal, get_args

ReadAs = Literal["number", "decimal_comma", "text", "category"]
MissingLabels = Literal["leave_out", "refuse"]

READ_AS: tuple[str, ...] = get_args(ReadAs)
MISSING_LABELS: tuple[str, ...] = get_args(MissingLabels)
