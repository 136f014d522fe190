"""``python -m app.housekeeping [relay|sweeper]``: the housekeeping loops, all in one process unless one is named.

The relay sends recorded messages on: tasks to Redis and, beside it, webhook deliveries to their receivers. The sweeper
sends lost and abandoned work again. Beside it the bookkeeper moves money that is due, and the collector erases blobs
that nothing refers to.

Wiring only. Ends clean on SIGTERM and SIGINT; any number of these processes may run at once.
"""

import signal
import sys
import threading
from collections.abc import Callable

from app import logs
from app.db.limits import Process
from app.db.session import make_session_factory, open_engine
from app.housekeeping.bookkeeper import Bookkeeper
from app.housekeeping.collector import Collector
from app.housekeeping.sweeper import Sweeper
from app.outbox.broker import CeleryBroker
from app.outbox.relay import Relay
from app.sandbox import walls
from app.settings import get_settings
from app.storage.blobs import BlobStore
from app.webhooks.deliverer import Deliverer


def main(argv: list[str]) -> int:
    loops = set(argv) or {"relay", "sweeper"}
    if loops - {"relay", "sweeper"}:
        sys.stderr.write("usage: python -m app.housekeeping [relay] [sweeper]\n")
        return 2
    walls.hide()
    settings = get_settings()
    logs.configure_logging(settings.log_level, as_json=settings.log_json)
    listening = settings.listening_url()
    engine = open_engine(settings, Process.HOUSEKEEPING, pool_size=2)
    factory = make_session_factory(engine)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())

    failed: list[BaseException] = []
    brokers: list[CeleryBroker] = []

    def start(loop: Callable[[CeleryBroker], None]) -> threading.Thread:
        broker = CeleryBroker(settings.redis_url.get_secret_value())
        brokers.append(broker)

        def guarded() -> None:
            try:
                loop(broker)
            except BaseException as error:
                # a process that lost one of its loops would still look healthy: end it, its supervisor restarts it
                failed.append(error)
                raise
            finally:
                stop.set()

        thread = threading.Thread(target=guarded, daemon=True)
        thread.start()
        return thread

    threads = []
    if "relay" in loops:
        threads.append(start(lambda broker: Relay(factory, broker).run(stop, listening)))
        threads.append(start(lambda _: Deliverer(factory, settings).run(stop)))
    if "sweeper" in loops:
        threads.append(start(lambda broker: Sweeper(factory, broker, settings).run(stop)))
        threads.append(start(lambda _: Bookkeeper(factory).run(stop)))
        blobs = BlobStore.from_url(settings.blob_url)
        threads.append(start(lambda _: Collector(factory, blobs, settings).run(stop)))
    while not stop.wait(0.5):
        pass
    for thread in threads:
        thread.join(timeout=10)
    for broker in brokers:
        broker.close()
    engine.dispose()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
