"""The tasks that the relay sends by name. Each is one line: the work is in ``steps``, the protocol in ``runtime``.

A message carries an id and nothing else. A second delivery, a late one or one out of order reads in Postgres that there
is nothing to do.
"""

import uuid

from worker.celery_app import app
from worker.runtime import the_runtime


@app.task(name="worker.tasks.prepare")
def prepare(shard_id: str) -> None:
    """Train a game's base and full model once."""
    the_runtime().work_on(uuid.UUID(shard_id))


@app.task(name="worker.tasks.plan")
def plan(shard_id: str) -> None:
    """Replay the valuation on the worths that are stored; request more, or keep its result."""
    the_runtime().work_on(uuid.UUID(shard_id))


@app.task(name="worker.tasks.evaluate")
def evaluate(shard_id: str) -> None:
    """Compute a batch of worths."""
    the_runtime().work_on(uuid.UUID(shard_id))


@app.task(name="worker.tasks.settle")
def settle(shard_id: str) -> None:
    """Turn values into shares and money."""
    the_runtime().work_on(uuid.UUID(shard_id))


@app.task(name="worker.tasks.profile")
def profile(dataset_id: str, number: int) -> None:  # noqa: ARG001  which version waits is read in Postgres
    """Profile datasets' versions that wait for it: columns, labels, near copies."""
    the_runtime().profile()


@app.task(name="worker.tasks.forget")
def forget(dataset_id: str) -> None:
    """Erase everything that derives from a withdrawn dataset."""
    the_runtime().forget(uuid.UUID(dataset_id))


@app.task(name="worker.tasks.unlearn")
def unlearn(unlearning_id: str) -> None:
    """Make a checkpoint forget a withdrawn dataset."""
    the_runtime().unlearn(uuid.UUID(unlearning_id))


@app.task(name="worker.tasks.measure")
def measure(valuation_id: str, metric: str) -> None:
    """Value a finished job's players by another metric, from its models' stored answers."""
    the_runtime().measure(uuid.UUID(valuation_id), metric)


@app.task(name="worker.tasks.recheck")
def recheck(transfer_id: str) -> None:
    """Have rows of a disputed void payout opened once more."""
    the_runtime().recheck(uuid.UUID(transfer_id))


@app.task(name="worker.tasks.attribute")
def attribute(attribution_id: str) -> None:
    """Find which providers answers of a delivered language model leaned on."""
    the_runtime().attribute(uuid.UUID(attribution_id))
