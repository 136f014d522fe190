"""What was noticed while data was read: one list of codes, told alike at upload, in a quote and in a result.

A finding concerns one file (or one column of it) and is told to whom that file belongs, and to the buyer where the job
uses it. It holds counts and the file's own names, never another file's values.
"""

from enum import StrEnum

from contract.document import Document


class Severity(StrEnum):
    """What follows from a finding: the file is refused, somebody should look, or it is only said."""

    REFUSE = "refuse"
    WARN = "warn"
    NOTE = "note"


class Finding(Document):
    """One finding.

    ``code`` is from the table in docs/datasets.md; ``detail`` one sentence that names the thing and the rule; ``mend``
    what to do about it, empty where nothing need be done. ``rows`` is how many rows it concerns, ``share`` which part
    (0 to 1) of the file's rows; None where it concerns no rows.
    """

    code: str
    severity: Severity
    detail: str
    mend: str = ""
    column: str | None = None
    rows: int | None = None
    share: float | None = None


class FileFinding(Document):
    """What is said of one file: of a dataset (its id in hex), or of the test set (None)."""

    dataset: str | None
    finding: Finding
