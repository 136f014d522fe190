"""Every room's tables in one MetaData, for migrations and for tests that make the schema.

Rooms are found, not listed: a room with a ``tables.py`` takes part. Nothing here touches a database.
"""

import importlib
from pathlib import Path

from sqlalchemy import MetaData

from app.db.base import Base


def load_tables() -> MetaData:
    """Import each ``app/<room>/tables.py`` and return the MetaData that now holds all tables."""
    for path in sorted(Path(__file__).parents[1].glob("*/tables.py")):
        importlib.import_module(f"app.{path.parent.name}.tables")
    return Base.metadata
