"""A table as a job's encoding has it: the numbers that the service would make of the same file, to the last bit."""

from agent.errors import NotAllowed
from agent.tables import Table
from contract.agents import AskedEncoding
from contract.rows import asked
from contract.rows.asked import Encoded


def encoded(table: Table, encoding: AskedEncoding) -> Encoded:
    """X float32[n, d] and y: float64[n] by the target's scale, or int64[n] of class numbers; raises NotAllowed."""
    try:
        return asked.encoded(table.numbers, table.texts, table.rows, encoding)
    except asked.NotEncodable as refusal:
        raise NotAllowed(str(refusal)) from None
