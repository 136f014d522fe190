"""The segments of a payee's rows as they are told: to their provider whole, to the buyer with the names it may know.

A name is told where the buyer's own test set has it, or where the payee's licence grants the buyer the data. Pure.
"""

from app.valuations.job_schemas import SegmentValue
from contract.orders.grants import Grant
from contract.orders.job import JobInputs
from contract.results.result import StoredResult
from contract.rows.segments import OTHER


def of_payee(inputs: JobInputs, position: int, result: StoredResult, *, own: bool = False) -> list[SegmentValue]:
    """A payee's segments, by number; none where the job has none. ``own``: they are told to their provider."""
    part = inputs.seating[position]
    if not inputs.segments or part.player is None:
        return []
    grants = inputs.terms.grants[position] if inputs.terms.grants else ()
    # of near copies that are one player nobody's rows are told apart, so their names are not either
    named = part.part == 1 and (own or Grant.DATA in grants)
    owner, times = result.players[part.player].provider, float(part.part)
    found = []
    for piece in result.shards:
        if piece.owner != owner or piece.value is None or piece.stderr is None:
            continue
        number = int(piece.name.rpartition("/")[2])
        segment = inputs.segments[number]
        told = named or segment.in_test or number == OTHER
        found.append(
            SegmentValue(
                segment=number,
                name=segment.name if told else None,
                rows=piece.rows,
                value=piece.value * times,
                stderr=piece.stderr * times,
            )
        )
    return sorted(found, key=lambda each: each.segment)
