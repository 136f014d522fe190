"""What an agent remembers, in a folder of the owner's: the secret of the salts, what is registered, which jobs asked,
what privacy is spent, how many rows were shown. It is written whole, and before what it speaks of leaves."""

import json
import os
import secrets
from pathlib import Path

from pydantic import Field, ValidationError

from agent.errors import AgentError
from contract.document import Document


class State(Document):
    """``jobs`` counts the questions of each game, ``opened`` the rows that were shown for it, at ``places``; ``spent``
    holds the noise multiplier of each answer with noise."""

    secret: str = Field(default_factory=lambda: secrets.token_hex(32))
    dataset: str = ""
    registration_digest: str = ""
    commitment: str = ""
    rows: int = 0
    jobs: dict[str, int] = Field(default_factory=dict)
    spent: tuple[float, ...] = ()
    opened: dict[str, int] = Field(default_factory=dict)
    places: dict[str, tuple[int, ...]] = Field(default_factory=dict)


class Folder:
    """The folder of one agent: ``state.json``, ``answers/`` that may be asked for again, ``journal/``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "answers").mkdir(parents=True, exist_ok=True)
        path.chmod(0o700)

    @property
    def _file(self) -> Path:
        return self.path / "state.json"

    def load(self) -> State:
        """The state; a new one where there is none. Raises AgentError."""
        if not self._file.exists():
            return State()
        try:
            return State.read(json.loads(self._file.read_text()))
        except (ValueError, ValidationError) as error:
            raise AgentError(f"{self._file} is damaged ({error}); restore it, or register the table anew") from None

    def save(self, state: State) -> None:
        """Keep the state; it is on the disk when this returns."""
        _write(self._file, state.model_dump_json(indent=1).encode())

    def kept(self, digest: str) -> bytes | None:
        """The answer to a question that was kept."""
        path = self.path / "answers" / digest
        return path.read_bytes() if path.exists() else None

    def keep(self, digest: str, answer: bytes) -> None:
        """Keep an answer: asked again, the same is said, and no privacy is spent twice."""
        _write(self.path / "answers" / digest, answer)


def _write(path: Path, content: bytes) -> None:
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.chmod(0o600)
    part.replace(path)
