"""The engine alone: ``python -m benchmarks.dispatch.bare FOLDER STEPS`` values the folder's files in one process.

The same readers, encoding, learner and seed as the job that the service runs on the same files. It prints what it took
from the files to the result, imports aside, and the values: they must be the service's to the last bit.
"""

import json
import sys
import time
from pathlib import Path

from app.cli.valuing.local import evaluator_of
from app.cli.valuing.request import ValueRequest
from benchmarks.dispatch.service import SPEC
from contract.orders.spec import ValuationSpec
from worker.engine.valuation import value


def main(folder: Path, steps: int) -> None:
    providers = tuple((path.stem, str(path)) for path in sorted(folder.glob("provider-*.npz")))
    begun, used = time.perf_counter(), time.process_time()
    model = f"{SPEC['model']['name']}:hidden={SPEC['model']['hyper']['hidden']},steps={steps}"
    request = ValueRequest(
        providers, str(folder / "test.npz"), "y", model, metric=SPEC["metric"], mode="full", seed=SPEC["seed"]
    )
    evaluator, _ = evaluator_of(request, threads=1)
    spec = ValuationSpec(
        metric=SPEC["metric"], fidelity=SPEC["fidelity"], estimator=SPEC["estimator"], seed=SPEC["seed"]
    )
    result = value(evaluator, spec)
    took, spent = time.perf_counter() - begun, time.process_time() - used
    values = {player.provider: player.value for player in result.players}
    print(json.dumps({"seconds": took, "cpu_seconds": spent, "values": values}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
