"""Segments: the rows of a payee that have one value in a column (a ward, a month, a source), valued apart.

In a game a segment has a number, the same for the same value in every payee's files; what it is called is kept beside
it, and told to whom it may be told.
"""

from contract.document import Document

# the number of rows whose value is missing, rare, or one of too many
OTHER = 0
MOST_OF_PAYEE = 40
MOST_OF_JOB = 400


class Segment(Document):
    """What a segment is called; ``in_test``: the buyer's own test set has rows of that value, too. The name of the rows
    that are left over (``OTHER``) is empty."""

    name: str
    in_test: bool = False
