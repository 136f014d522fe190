"""``python -m app.housekeeping [relay|sweeper]``: the housekeeping loops, all in one process unless one is named.

The relay sends recorded messages on: tasks to Redis and, beside it, webhook deliveries to their receivers. The sweeper
sends lost and abandoned work again. Beside it the bookkeeper moves money that is due, the collector erases blobs
that nothing refers to, the readmission goes on with jobs some of whose providers did not consent, and the repetition
posts jobs of standing orders and tells providers of wanted ads.

Wiring only. Ends clean on SIGTERM and SIGINT; any number of these processes may run at once.
"""

import signal
import sys
import threading
from collections.abc import Callable

from app import logs, tracing
from app.db.limits import Process
from app.db.session import make_session_factory, open_engine
from app.housekeeping.bookkeeper import Bookkeeper
from app.housekeeping.collector import Collector
from app.housekeeping.readmission import Readmission
from app.housekeeping.repetition import Repetition
from app.housekeeping.sweeper import Sweeper
from app.outbox.broker import CeleryBroker
from app.outbox.relay import Relay
from app.sandbox import walls
from app.settings import get_settings
from app.storage.blobs import BlobStore
from app.webhooks.deliverer import Deliverer


class Loops:
    """Loops of one process, each in a thread and with a broker of its own; the end of one is the end of all."""

    def __init__(self, redis_url: str) -> None:
        self.stop = threading.Event()
        self.failed: list[BaseException] = []
        self._redis_url = redis_url
        self._brokers: list[CeleryBroker] = []
        self._threads: list[threading.Thread] = []

    def start(self, loop: Callable[[CeleryBroker], None]) -> None:
        broker = CeleryBroker(self._redis_url)
        thread = threading.Thread(target=self._guarded, args=(loop, broker), daemon=True)
        self._brokers.append(broker)
        self._threads.append(thread)
        thread.start()

    def wait(self) -> None:
        """Until ``stop`` is set and the loops have ended, or ten seconds after."""
        while not self.stop.wait(0.5):
            pass
        for thread in self._threads:
            thread.join(timeout=10)
        for broker in self._brokers:
            broker.close()

    def _guarded(self, loop: Callable[[CeleryBroker], None], broker: CeleryBroker) -> None:
        try:
            loop(broker)
        except BaseException as error:
            # a process that lost one of its loops would still look healthy: end it, its supervisor restarts it
            self.failed.append(error)
            raise
        finally:
            self.stop.set()


def main(argv: list[str]) -> int:
    named = set(argv) or {"relay", "sweeper"}
    if named - {"relay", "sweeper"}:
        sys.stderr.write("usage: python -m app.housekeeping [relay] [sweeper]\n")
        return 2
    walls.hide()
    settings = get_settings()
    logs.configure_logging(settings.log_level, as_json=settings.log_json)
    tracing.open_tracing(settings, "housekeeping")
    engine = open_engine(settings, Process.HOUSEKEEPING, pool_size=2)
    factory = make_session_factory(engine)
    loops = Loops(settings.redis_url.get_secret_value())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: loops.stop.set())
    if "relay" in named:
        listening = settings.listening_url()
        loops.start(lambda broker: Relay(factory, broker).run(loops.stop, listening))
        loops.start(lambda _: Deliverer(factory, settings).run(loops.stop))
    if "sweeper" in named:
        blobs = BlobStore.from_url(settings.blob_url)
        loops.start(lambda broker: Sweeper(factory, broker, settings).run(loops.stop))
        loops.start(lambda _: Bookkeeper(factory).run(loops.stop))
        loops.start(lambda _: Readmission(factory, blobs, settings).run(loops.stop))
        loops.start(lambda _: Repetition(factory, blobs, settings).run(loops.stop))
        loops.start(lambda _: Collector(factory, blobs, settings).run(loops.stop))
    loops.wait()
    engine.dispose()
    tracing.close_tracing()
    return 1 if loops.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
