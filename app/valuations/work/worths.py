"""SQL of worths: stored once under (game, source, coalition), read for plans, quotes and evidence, never changed."""

import uuid
from collections.abc import Sequence

from sqlalchemy import ARRAY, LargeBinary, Row, Text, and_, any_, bindparam, cast, column, delete, func, select, true
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session, aliased

from app.db.base import table_of
from app.valuations.orders.quotes import MeasuredSeconds
from app.valuations.states import CHECK
from app.valuations.tables import BuyerGame, Evaluation, Round, Shard, Valuation, ValuationPlayer

_LATEST_JOBS = 200


def stored_worths(session: Session, game_id: uuid.UUID) -> Sequence[Row[str, bytes, bytes, bytes]]:
    """All worths of a game by source: coalitions, worths and device seconds, each joined to one string of bytes.

    Row by row, a hundred thousand worths take a second to read. Numbers are in Postgres's own binary form (big-endian
    doubles), so they come back bit for bit.
    """
    statement = select(
        Evaluation.source,
        cast(func.string_agg(Evaluation.coalition, b""), LargeBinary),
        cast(func.string_agg(func.float8send(Evaluation.worth), b""), LargeBinary),
        cast(func.string_agg(func.float8send(Evaluation.seconds), b""), LargeBinary),
    )
    return session.execute(statement.where(Evaluation.game_id == game_id).group_by(Evaluation.source)).all()


def measured(session: Session, learner: str, base: str | None = None) -> MeasuredSeconds:
    """Device seconds per worth and training row of finished rounds with this learner on this base, of the market's
    latest jobs: what a quote reads does not grow with what there was."""
    latest = select(Valuation.id, Valuation.game_id).order_by(Valuation.id.desc()).limit(_LATEST_JOBS).subquery()
    # a game is long, and taken apart once
    parts = func.jsonb_to_record(BuyerGame.frozen)
    frozen = (
        parts.table_valued(column("learner", JSONB), column("base", Text)).render_derived(with_types=True).lateral()
    )
    alike = frozen.c.base.is_(None) if base is None else frozen.c.base == base
    jobs = (
        select(latest.c.id, BuyerGame.facts["seconds"].as_float())
        .join(BuyerGame, BuyerGame.id == latest.c.game_id)
        .join(frozen, true())
        .where(frozen.c.learner["name"].astext == learner, alike)
    )
    prepared: dict[uuid.UUID, float | None] = {row[0]: row[1] for row in session.execute(jobs)}
    job_rows = (
        select(ValuationPlayer.valuation_id, func.sum(ValuationPlayer.rows).label("rows"))
        .where(ValuationPlayer.valuation_id.in_(prepared))
        .group_by(ValuationPlayer.valuation_id)
        .subquery()
    )
    family = func.split_part(Round.source, ":", 1)
    rounds = session.execute(
        select(family, func.sum(Round.seconds), func.sum(Round.done * job_rows.c.rows), func.count())
        .join(job_rows, job_rows.c.valuation_id == Round.valuation_id)
        # a worth computed again as a check costs what it cost before, and says nothing new
        .where(Round.valuation_id.in_(prepared), Round.done > 0, Round.source.not_like(f"{CHECK}%"))
        .group_by(family)
    ).all()
    known = {job: seconds for job, seconds in prepared.items() if seconds is not None}
    rows = session.scalar(select(func.sum(job_rows.c.rows)).where(job_rows.c.valuation_id.in_(known)))
    per_row = {row[0]: float(row[1]) / float(row[2]) for row in rounds if row[2]}
    if rows:
        per_row["prepare"] = sum(known.values()) / float(rows)
    return MeasuredSeconds(per_row, len(known))


def known_by_fidelity(session: Session, game_id: uuid.UUID) -> dict[str, int]:
    """How many worths of a game are stored, by fidelity; those computed again as a check are under ``check``."""
    family = func.split_part(Evaluation.source, ":", 1)
    rows = session.execute(select(family, func.count()).where(Evaluation.game_id == game_id).group_by(family))
    return {row[0]: int(row[1]) for row in rows}


def by_size(session: Session, game_id: uuid.UUID) -> Sequence[Row[str, int, int, float, float, float]]:
    """Of each source and number of players: how many worths, their mean, the least and the most; the smallest first."""
    size = func.bit_count(Evaluation.coalition)
    statement = select(
        Evaluation.source,
        size,
        func.count(),
        func.avg(Evaluation.worth),
        func.min(Evaluation.worth),
        func.max(Evaluation.worth),
    )
    statement = statement.where(Evaluation.game_id == game_id).group_by(Evaluation.source, size)
    return session.execute(statement.order_by(Evaluation.source, size)).all()


def stored_in_both(session: Session, game_id: uuid.UUID, source: str, other: str) -> Sequence[Row[bytes, float, float]]:
    """(coalition, worth by ``source``, worth by ``other``) of the coalitions that have both."""
    one, two = aliased(Evaluation), aliased(Evaluation)
    same = and_(two.game_id == game_id, two.source == other, two.coalition == one.coalition)
    statement = select(one.coalition, one.worth, two.worth).join(two, same)
    return session.execute(statement.where(one.game_id == game_id, one.source == source)).all()


_WORTHS = table_of(Evaluation)
_AMONG = select(_WORTHS.c.coalition).where(
    _WORTHS.c.game_id == bindparam("game"),
    _WORTHS.c.source == bindparam("source_of"),
    # one parameter, so that it is one statement however many there are
    _WORTHS.c.coalition == any_(bindparam("coalitions", type_=ARRAY(LargeBinary))),
)


def stored_among(session: Session, game_id: uuid.UUID, source: str, coalitions: Sequence[bytes]) -> set[bytes]:
    """Which of these coalitions have a worth already."""
    return set(session.scalars(_AMONG, {"game": game_id, "source_of": source, "coalitions": list(coalitions)}))


def authors(session: Session, game_id: uuid.UUID, source: str, coalitions: Sequence[bytes]) -> dict[bytes, str]:
    """The worker that computed each of these worths: the last holder of its shard."""
    among = Evaluation.coalition == any_(bindparam("coalitions", list(coalitions), type_=ARRAY(LargeBinary)))
    rows = session.execute(
        select(Evaluation.coalition, Shard.worker)
        .join(Shard, Shard.id == Evaluation.shard_id)
        .where(Evaluation.game_id == game_id, Evaluation.source == source, among)
    )
    return {row[0]: row[1] or "" for row in rows}


def erase(session: Session, game_id: uuid.UUID) -> int:
    """Erase all worths of a game; returns how many there were."""
    result = session.execute(delete(Evaluation).where(Evaluation.game_id == game_id))
    return int(result.rowcount)  # type: ignore[attr-defined]  # a DELETE answers with a CursorResult
