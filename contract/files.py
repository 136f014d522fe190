"""One file of a job, named the same way wherever it is read: by the sandbox that admits it and by the workers."""

from contract.document import Document


class InputFile(Document):
    """One dataset's bytes: what errors call it, which blob holds it, how to read it, its label column (of a corpus its
    column of domains, or ""), and what to skip."""

    name: str
    digest: str
    format: str
    target: str
    # rows that are not used: one bit for each row of the file, packed, in base64; empty: all are used
    drop: str = ""


class FileColumn(Document):
    """A column of a file as it is shown: its name, and its type (boolean, integer, number, text, tensor[...])."""

    name: str
    type: str
