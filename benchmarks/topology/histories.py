"""A long history made of a short one: rows of a real market, copied in Postgres until there are as many as asked for.

Copies have identities, names and times of their own and refer to one another as the rows they are copies of do. Money
moves by real transfers, through the ledger's own triggers. Nothing here goes through the service.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from psycopg import sql
from sqlalchemy import Engine

# whoever is watched has one part in so many of what is copied, as the others have
OTHERS = 19
# a transaction that changes one balance very often gets slow
_TRANSFERS_AT_ONCE = 200


@dataclass(frozen=True)
class Size:
    """How much there is, about: rows of datasets, of jobs, of worths (spread over the jobs), of the ledger."""

    datasets: int
    jobs: int
    worths: int
    transfers: int


# what a copy is called, from what it is a copy of and its number
_ANOTHER = "md5({column}::text || {batch} || g)::uuid"
_EARLIER = "s.created_at - g * interval '{step}'"


def _owned(column: str, kind: str, number: str) -> str:
    """Whose a copy is: by turns the original's owner's and each other's."""
    other = f"md5('copy {kind} ' || {number} % {OTHERS + 1})::uuid"
    return f"CASE WHEN {number} % {OTHERS + 1} = 0 THEN {column} ELSE {other} END"


class History:
    """Fills the database of ``engine``, as its owner; each call of ``grow`` makes further copies."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._batch = engine, 0

    def grow(self, to: Size) -> None:
        """Until there is about as much as ``to`` says, and Postgres knows how much that is."""
        self._batch += 1
        with (
            self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as held,
            held.connection.cursor() as cursor,
        ):
            self._accounts(cursor)
            self._datasets(cursor, to.datasets)
            self._jobs(cursor, to.jobs, to.worths)
            self._transfers(cursor, to.transfers)
            for table in ("datasets", "dataset_versions", "valuations", "evaluations", "ledger_transfers"):
                cursor.execute(sql.SQL("VACUUM ANALYZE {}").format(sql.Identifier(table)))
            cursor.execute("ANALYZE")

    @staticmethod
    def _accounts(cursor: Any) -> None:
        """Other organisations, to whom most copies belong, and the wallets of the buyers among them."""
        cursor.execute(
            """INSERT INTO accounts (id, name, role) SELECT md5('copy ' || r || ' ' || g)::uuid, 'copy ' || r || g, r
            FROM unnest(ARRAY['provider', 'buyer']) r, generate_series(1, %s) g ON CONFLICT DO NOTHING""",
            [OTHERS],
        )
        cursor.execute(
            """INSERT INTO ledger_accounts (id, kind, owner_id, currency)
            SELECT md5('copy wallet ' || g)::uuid, 'buyer_wallet', md5('copy buyer ' || g)::uuid, 'EUR'
            FROM generate_series(1, %s) g ON CONFLICT DO NOTHING""",
            [OTHERS],
        )

    def _datasets(self, cursor: Any, wanted: int) -> None:
        originals = "kind = 'train' AND status = 'published' AND description NOT LIKE 'copy %'"
        count = self._missing(cursor, "datasets", originals, wanted)
        made = {
            "id": self._another("s.id"),
            "name": "left(s.name, 180) || ' ' || g",
            "description": "'copy ' || g",
            "provider_id": _owned("s.provider_id", "provider", "g"),
            "created_at": _EARLIER.format(step="1 minute"),
            "published_at": "s.published_at - g * interval '1 minute'",
        }
        copied = f"SELECT id FROM datasets WHERE {originals}"  # noqa: S608  our own words
        self._copy(cursor, "datasets", f"s.id IN ({copied})", count, made)
        self._copy(
            cursor,
            "dataset_versions",
            f"s.dataset_id IN ({copied})",
            count,
            {"dataset_id": self._another("s.dataset_id")},
        )

    def _jobs(self, cursor: Any, wanted: int, worths: int) -> None:
        originals = "NOT metadata ? 'copy'"
        count = self._missing(cursor, "valuations", originals, wanted)
        copied = f"SELECT id FROM valuations WHERE {originals}"  # noqa: S608  our own words
        games = f"SELECT game_id FROM valuations WHERE {originals}"  # noqa: S608  same
        made = {"id": self._another("s.id"), "digest": f"md5(s.digest || {self._batch} || g) || md5(g || s.digest)"}
        made["buyer_id"] = _owned("s.buyer_id", "buyer", "g")
        self._copy(cursor, "games", f"s.id IN ({games})", count, made)
        made = {
            "id": self._another("s.id"),
            "game_id": self._another("s.game_id"),
            "buyer_id": _owned("s.buyer_id", "buyer", "g"),
            "metadata": "s.metadata || jsonb_build_object('copy', g::text)",
            "created_at": _EARLIER.format(step="10 minutes"),
            "tops_up": "NULL",
        }
        self._copy(cursor, "valuations", f"s.id IN ({copied})", count, made)
        for table in ("valuation_players", "valuation_datasets", "valuation_events", "rounds"):
            where = f"s.valuation_id IN ({copied})"
            made = {"valuation_id": self._another("s.valuation_id")}
            if table == "valuation_players":
                made["provider_id"] = _owned("s.provider_id", "provider", "(g + s.position)")
            self._copy(cursor, table, where, count, made)
        cursor.execute("SELECT count(*) FROM evaluations")
        missing = worths - cursor.fetchone()[0]
        cursor.execute("SELECT count(*) FROM valuations")
        each = missing // max(1, cursor.fetchone()[0])
        if each > 0:
            cursor.execute(
                """INSERT INTO evaluations (game_id, source, coalition, worth, seconds, valuation_id, shard_id, fence)
                SELECT game_id, 'retrain', decode(md5(id::text || %s || g), 'hex'), 0.5, 0.1, id, id, 1
                FROM valuations, generate_series(1, %s) g ON CONFLICT DO NOTHING""",
                [str(self._batch), each],
            )

    def _transfers(self, cursor: Any, wanted: int) -> None:
        cursor.execute("SELECT count(*) FROM ledger_transfers")
        missing, done = wanted - cursor.fetchone()[0], 0
        deposits = "s.code = 'deposit' AND s.reference NOT LIKE 'copy %'"
        while done < missing:
            cursor.execute(f"SELECT count(*) FROM ledger_transfers s WHERE {deposits}")  # noqa: S608  our own words
            at_once = max(1, _TRANSFERS_AT_ONCE // max(1, cursor.fetchone()[0]))
            made = {
                "id": f"md5(s.id::text || '{self._batch} {done} ' || g)::uuid",
                "credit_id": _owned("s.credit_id", "wallet", "g"),
                "amount": "100",
                "reference": f"'copy {self._batch} {done} ' || g",
                "created_at": "clock_timestamp()",
            }
            done += self._copy(cursor, "ledger_transfers", deposits, at_once, made)

    def _missing(self, cursor: Any, table: str, originals: str, wanted: int) -> int:
        """Of how many copies each of the originals must be the pattern."""
        cursor.execute(f"SELECT count(*), count(*) FILTER (WHERE {originals}) FROM {table}")  # noqa: S608  our own words
        there, patterns = cursor.fetchone()
        if not patterns:
            raise ValueError(f"{table} has no row to copy; make a market first")
        return max(0, (wanted - there) // patterns)

    def _another(self, column: str) -> str:
        return _ANOTHER.format(column=column, batch=f"' {self._batch} '")

    @staticmethod
    def _copy(cursor: Any, table: str, where: str, count: int, made: Mapping[str, str]) -> int:
        cursor.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = 'public' AND table_name = %s "
            "AND is_generated = 'NEVER' AND is_identity = 'NO' ORDER BY ordinal_position",
            [table],
        )
        columns = [name for (name,) in cursor.fetchall()]
        named = ", ".join(f'"{name}"' for name in columns)
        values = ", ".join(made.get(name, f's."{name}"') for name in columns)
        cursor.execute(
            f"INSERT INTO {table} ({named}) SELECT {values} FROM {table} s, generate_series(1, {count}) g WHERE {where}"  # noqa: S608  our own words
        )
        return int(cursor.rowcount)
