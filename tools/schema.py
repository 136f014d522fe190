"""The gate of the migrations: they go up, down to nothing and up again, they match the tables, and squawk accepts them.

Runs on a Postgres of its own; exits with 1 and says which rule was broken.
"""

import shutil
import subprocess
import sys
import tempfile
import uuid
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from alembic import command
from sqlalchemy import Engine, inspect

from app.db.migrate import alembic_config, downgrade, upgrade
from app.db.session import make_engine
from app.embedded.postgres import EmbeddedPostgres


def left_over(engine: Engine) -> list[str]:
    """What is in the database besides Alembic's own table."""
    return sorted(set(inspect(engine).get_table_names()) - {"alembic_version"})


def round_trip(engine: Engine) -> list[str]:
    """The broken rules of up, check, down, up."""
    upgrade(engine)
    if not left_over(engine):
        return ["there are no migrations: migrations/versions makes no table"]
    command.check(alembic_config(engine))
    downgrade(engine)
    if tables := left_over(engine):
        return [f"downgrading to base leaves {', '.join(tables)}; drop them in downgrade()"]
    upgrade(engine)
    return []


def squawk(engine: Engine) -> list[str]:
    """Squawk's word on the SQL that an operator would run."""
    text = StringIO()
    config = alembic_config(engine)
    config.output_buffer = text
    with redirect_stdout(text):
        command.upgrade(config, "head", sql=True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "migrations.sql"
        path.write_text(text.getvalue(), "utf-8")
        program = Path(sys.executable).with_name("squawk")
        done = subprocess.run([program, "--config", ".squawk.toml", path], check=False)
    return ["squawk objects to the migrations' SQL (see above)"] if done.returncode else []


def main() -> int:
    home = Path(tempfile.gettempdir()) / f"cherish-schema-{uuid.uuid4().hex[:12]}"
    server = EmbeddedPostgres(home, durable=False)
    try:
        engine = make_engine(server.start(), pool_size=1)
        broken = round_trip(engine) or squawk(engine)
        engine.dispose()
    finally:
        server.destroy()
        shutil.rmtree(home, ignore_errors=True)
    for rule in broken:
        sys.stderr.write(f"{rule}\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
