"""How people may say that a column is read, what happens to rows without a label, and what a target is: the words of
all three, once."""

from typing import Literal, get_args

ReadAs = Literal["number", "decimal_comma", "text", "category"]
MissingLabels = Literal["leave_out", "refuse"]
TargetIs = Literal["number", "classes"]

READ_AS: tuple[str, ...] = get_args(ReadAs)
MISSING_LABELS: tuple[str, ...] = get_args(MissingLabels)
TARGET_IS: tuple[str, ...] = get_args(TargetIs)
