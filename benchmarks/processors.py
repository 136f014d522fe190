"""What processors that round otherwise do to worths and shares: ``python -m benchmarks.processors [--rows WORD]``.

Each row computes the same small games in a process of its own, in one of the arithmetics of ``contract.arithmetic``,
with kernels that other processors would choose (``MKL as on Intel`` tells MKL that it runs on one; it needs a C
compiler) or with more threads. Printed by learner: the largest difference of a worth from the first row of the same
arithmetic, ``=`` where every bit is the same, and processor seconds next to the first row of all. A job's column is in
points of the pool, over shares and the ends of their intervals.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

ARITHMETIC = "CHERISH_ARITHMETIC"
INTEL = "MKL as on Intel"
MORE_THREADS = {"OMP_NUM_THREADS": "4", "MKL_NUM_THREADS": "4", "OPENBLAS_NUM_THREADS": "4"}
# environment on top of the arithmetic; those of ``native`` are what other processors' libraries would choose
ROWS: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("native", "", {}),
    ("native", "4 threads", MORE_THREADS),
    ("native", "MKL_CBWR=COMPATIBLE", {"MKL_CBWR": "COMPATIBLE"}),
    ("native", "MKL_CBWR=AVX2", {"MKL_CBWR": "AVX2"}),
    ("native", "MKL_ENABLE_INSTRUCTIONS=AVX2", {"MKL_ENABLE_INSTRUCTIONS": "AVX2"}),
    ("native", INTEL, {}),
    ("native", "ATEN_CPU_CAPABILITY=avx2", {"ATEN_CPU_CAPABILITY": "avx2"}),
    ("native", "ONEDNN_MAX_CPU_ISA=AVX2", {"ONEDNN_MAX_CPU_ISA": "AVX2"}),
    ("native", "OPENBLAS_CORETYPE=Haswell", {"OPENBLAS_CORETYPE": "Haswell"}),
    ("native", "OPENBLAS_CORETYPE=Zen", {"OPENBLAS_CORETYPE": "Zen"}),
    ("native", "numpy without AVX-512", {"NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR"}),
    ("avx2", "", {}),
    ("avx2", "4 threads", MORE_THREADS),
    ("avx2", INTEL, {}),
    ("avx2", "ONEDNN_MAX_CPU_ISA=AVX2", {"ONEDNN_MAX_CPU_ISA": "AVX2"}),
    ("compatible", "", {}),
    ("compatible", INTEL, {}),
)
Answers = dict[str, tuple[list[float], float]]  # worths, processor seconds


def computed() -> Iterator[tuple[str, list[float], float]]:
    """(game, worths, processor seconds), and of two games a job's shares and intervals in points."""
    from benchmarks import costs
    from contract.orders.spec import ValuationSpec
    from worker.engine.evaluation.evaluator import Evaluator
    from worker.engine.evaluation.small_linear import SmallLinear
    from worker.engine.games.game import all_coalitions
    from worker.engine.games.problem import Problem
    from worker.engine.valuation import value

    games: dict[str, Callable[[], Problem]] = {
        "logistic": lambda: costs.stored("digits-alike"),
        "ridge": lambda: costs.numbers(1600, 30),
        "mlp": lambda: costs.drawn("mlp", {}, (30,), 3, 368, 200),
        "mlp, 600 steps": lambda: costs.drawn("mlp", {"steps": 600}, (30,), 3, 368, 200),
        "cnn": lambda: costs.drawn("cnn", {"steps": 60}, (8, 8), 4, 400, 200),
        "lm": lambda: costs.tokens(32, 32, 64, 10),
        "lora": lambda: costs.adapted(64, 2, 32, 8),
    }
    for name, make in games.items():
        problem = make()
        if problem.metric == "accuracy":
            problem = replace(problem, metric="clipped_log_loss")
        begun = time.process_time()
        evaluator = Evaluator(problem)
        evaluator.prepare()
        some = all_coalitions(len(problem.players))[3::23]
        cheap = [
            source for source in evaluator.sources if source.partition(":")[2] in ("tangent", "statistics", "merge")
        ]
        worths = [worth for source in ("retrain", *cheap) for worth in evaluator.worth(source, some).tolist()]
        yield name, worths, time.process_time() - begun
        if name in ("logistic", "mlp"):
            made = value(evaluator, ValuationSpec(seed=0, max_retrains=30, unlearning="tangent"))
            parts = [(player.share, *(player.share_ci or ())) for player in made.players]
            yield f"a job of {name}", [100.0 * part for each in parts for part in each], time.process_time() - begun
    begun = time.process_time()
    small = replace(costs.stored("wines-skewed"), metric="clipped_log_loss")
    worths = SmallLinear(small).worth("retrain", all_coalitions(len(small.players))).tolist()
    yield "numpy's logistic", worths, time.process_time() - begun


def answers_of(arithmetic: str, name: str, extra: dict[str, str], folder: Path) -> Answers:
    """What a process in this arithmetic answers."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", ARITHMETIC: arithmetic, **extra}
    if name == INTEL:
        environment["LD_PRELOAD"] = str(_says_intel(folder))
    command = [sys.executable, "-m", "benchmarks.processors", "--child"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return {game: (worths, seconds) for game, worths, seconds in json.loads(done.stdout)}


def _says_intel(folder: Path) -> Path:
    """A library that answers MKL's question for the processor's maker."""
    source, library = folder / "intel.c", folder / "intel.so"
    if not library.exists():
        source.write_text("int mkl_serv_intel_cpu_true(void){return 1;} int mkl_serv_intel_cpu(void){return 1;}")
        subprocess.run(["cc", "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    return library


def _cell(found: tuple[list[float], float], same_as: tuple[list[float], float], seconds: float) -> str:
    gap = max(abs(left - right) for left, right in zip(found[0], same_as[0], strict=True))
    return f"{gap:.0e}, {found[1] / seconds:.2f}" if gap else f"=, {found[1] / seconds:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.processors", description=__doc__)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--rows", default="", help="only the rows whose text has this word, and the first of each")
    chosen = parser.parse_args()
    if chosen.child:
        print(json.dumps(list(computed())))
        return
    first: dict[str, Answers] = {}
    with tempfile.TemporaryDirectory() as folder:
        for arithmetic, name, extra in ROWS:
            if name and chosen.rows not in f"{arithmetic} {name}":
                continue
            found = answers_of(arithmetic, name, extra, Path(folder))
            if not first:
                print(f"| arithmetic | besides | {' | '.join(found)} |\n|---|---|{'---|' * len(found)}")
            same_as = first.setdefault(arithmetic, found)
            cells = [_cell(found[game], same_as[game], first["native"][game][1]) for game in found]
            print(f"| {arithmetic} | {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
