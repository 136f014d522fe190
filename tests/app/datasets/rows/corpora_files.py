"""Text files for tests of corpora."""

import uuid
from pathlib import Path

from app.datasets.readers import Limits

LIMITS = Limits()


def written(folder: Path, text: str) -> Path:
    path = folder / f"{uuid.uuid4().hex}.txt"
    path.write_text(text, "utf-8")
    return path
