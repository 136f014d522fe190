"""One file of a job, named the same way wherever it is read: by the sandbox that admits it and by the workers."""

from pydantic import Field

from contract.document import Document
from contract.reading import ReadAs


class InputFile(Document):
    """One dataset's bytes: what errors call it, which blob holds it, how to read it, its label column (of a corpus its
    column of domains, or ""), and what to skip."""

    name: str
    digest: str
    format: str
    target: str
    # rows that are not used: one bit for each row of the file, packed, in base64; empty: all are used
    drop: str = ""
    # columns that the owner declares to be read otherwise than their cells suggest
    read_as: dict[str, ReadAs] = Field(default_factory=dict)
