"""Makes a worker ill as FAULTY_WORKER says; Python runs this at the start of each of its processes.

The product's own code is not replaced: a clock is wrong, a disk read fails, memory runs out, and the rest is real.
"""

import os
import sys
import time


def late() -> None:
    """The wall clock is an hour ahead."""
    real = time.time
    time.time = lambda: real() + 3600.0


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


# the spawned child does the work; the main process and Python's own helpers stay well
if "--multiprocessing-fork" in sys.argv or "billiard" in " ".join(sys.orig_argv):
    {"late": late, "forgetful": forgetful, "crammed": crammed}.get(os.environ.get("FAULTY_WORKER", ""), lambda: None)()
