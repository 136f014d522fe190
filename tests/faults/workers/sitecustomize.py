"""Makes a process ill as FAULTY says; Python runs this at the start of each of its processes.

The product's own code is not replaced: a clock is wrong, a disk read fails, memory runs out, a message comes twice and
late, and the rest is real.
"""

import os
import random
import sys
import threading
import time


def late() -> None:
    """The wall clock is an hour ahead."""
    real = time.time
    time.time = lambda: real() + 3600.0


def early() -> None:
    """The wall clock is an hour behind."""
    real = time.time
    time.time = lambda: real() - 3600.0


def forgetful() -> None:
    """One blob read in five fails."""
    from app.storage.blobs import BlobStore

    count = 0

    def failing(real):
        def read(*args, **kwargs):
            nonlocal count
            count += 1
            if count % 5 == 1:
                raise OSError(5, "Input/output error (injected)")
            return real(*args, **kwargs)

        return read

    BlobStore.get = failing(BlobStore.get)
    BlobStore.download = failing(BlobStore.download)
    BlobStore.open = failing(BlobStore.open)


def crammed() -> None:
    """Every third training of more than one model at a time says that memory has run out."""
    import torch

    from worker.engine.learners.mlp import MLP

    count = 0
    real = MLP.train

    def train(self, start, pool, coalitions, *args, **kwargs):
        nonlocal count
        count += len(coalitions) > 1
        if len(coalitions) > 1 and count % 3 == 1:
            raise torch.OutOfMemoryError("injected")
        return real(self, start, pool, coalitions, *args, **kwargs)

    MLP.train = train


def stuttering() -> None:
    """A relay whose every message arrives twice, each time late by up to three seconds, in any order."""
    from app.outbox.broker import CeleryBroker

    chance = random.Random(int(os.environ.get("FAULTY_SEED", "0")))  # noqa: S311  a fault, not a secret
    real = CeleryBroker.send
    lock = threading.Lock()

    def send(self, *args, **kwargs):
        def later():
            with lock:
                real(self, *args, **kwargs)

        # taken, so it is marked as sent; what dies with the relay before its time is a message lost, and found missing
        for wait in (3.0 * chance.random() * (chance.random() < 0.5), 3.0 * chance.random()):
            timer = threading.Timer(wait, later)
            timer.daemon = True
            timer.start()

    CeleryBroker.send = send


_ILL = {each.__name__: each for each in (late, early, forgetful, crammed, stuttering)}
# a worker's spawned child does the work; its main process and Python's own helpers stay well
if "--multiprocessing-fork" in sys.argv or "billiard" in " ".join(sys.orig_argv) or "app.housekeeping" in sys.orig_argv:
    _ILL.get(os.environ.get("FAULTY", ""), lambda: None)()
