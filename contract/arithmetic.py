"""How many threads add numbers up: one. The bits of a sum depend on how it is divided among threads.

Parallel work is done by processes and by whole coalitions, never inside a sum. torch is told the same where it computes
(worker.engine.tensors.batching); ``OMP_NUM_THREADS`` stays the number of coalitions that a worker computes at a time.
"""

import os

ONE_THREAD = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def one_thread() -> None:
    """One thread inside numpy's linear algebra, whatever the environment asks for; before numpy is first imported."""
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
