"""Keys sort by age, enums are stored by value, and only closed lists are in the schema."""

import enum
import time
import uuid

import pytest
from sqlalchemy import CheckConstraint, Enum, Table

from app.accounts.tables import Account
from app.db.base import Base, closed_list, name_of, table_of, uuid7
from app.db.registry import load_tables


class Colour(enum.Enum):
    BLUE = "deep blue"
    RED = "red"


def test_keys_are_version_seven_and_sort_by_the_millisecond_they_were_made_in() -> None:
    made = []
    for _ in range(5):
        made.append(uuid7())
        time.sleep(0.002)
    assert all((key.version, key.variant) == (7, uuid.RFC_4122) for key in made)
    assert made == sorted(made)
    assert abs((made[0].int >> 80) / 1000 - time.time()) < 5
    assert len({uuid7() for _ in range(1000)}) == 1000


@pytest.mark.parametrize(("column", "constrained"), [(closed_list(Colour), True), (name_of(Colour), False)])
def test_an_enum_is_stored_by_its_values_as_text(column: Enum, constrained: bool) -> None:
    assert column.enums == ["deep blue", "red"]
    assert column.native_enum is False
    assert column.create_constraint is constrained
    assert column.length == 32


def test_the_table_of_a_model_is_the_one_that_statements_speak_of() -> None:
    assert table_of(Account) is Account.__table__
    assert table_of(Account).name == "accounts"


def test_every_constraint_and_index_has_a_name_by_the_convention() -> None:
    tables: list[Table] = list(load_tables().tables.values())
    assert len(tables) > 20
    for table in tables:
        for constraint in table.constraints:
            assert constraint.name, (table.name, constraint)
            if not isinstance(constraint, CheckConstraint):
                assert str(constraint.name)[:3] in ("pk_", "fk_", "uq_")
    assert Base.metadata.naming_convention["pk"] == "pk_%(table_name)s"


def test_every_key_of_one_column_is_a_uuid_that_the_service_makes() -> None:
    column = Account.__table__.c.id
    assert column.primary_key
    assert column.default is not None
    assert column.default.arg.__name__ == "uuid7"
