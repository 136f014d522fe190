"""What every part of a worker process that does steps of jobs works with."""

from sqlalchemy.orm import Session, sessionmaker

from app.settings import Settings
from app.storage.blobs import BlobStore
from worker.loading.games import LoadedGames
from worker.process.heartbeat import Heartbeat


class WorkerPart:
    """Sessions, blobs, settings, loaded games and the heartbeat of one worker process."""

    def __init__(
        self,
        factory: sessionmaker[Session],
        blobs: BlobStore,
        settings: Settings,
        games: LoadedGames,
        heartbeat: Heartbeat,
    ) -> None:
        self._factory, self._blobs, self._settings = factory, blobs, settings
        self._games, self._heartbeat = games, heartbeat
