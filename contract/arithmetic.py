"""In which arithmetic numbers are computed, so that unlike processors come to the same bits.

A sum's bits depend on how it is divided among threads: one thread adds up, and parallel are processes and whole
coalitions. torch is told the same where it computes (worker.engine.tensors.batching); ``OMP_NUM_THREADS`` stays the
number of coalitions that a worker computes at a time. They also depend on the instructions, which numpy, OpenBLAS, MKL
and torch choose by the processor: all of them are held to AVX2 with FMA, which processors have had since 2013 (Intel)
and 2017 (AMD), so one with AVX-512 rounds as one without. MKL rounds otherwise on Intel's and on AMD's in any mode but
its oldest, which takes two to four times as long for products of matrices. ``CHERISH_ARITHMETIC`` chooses:

- ``avx2``, the default: the same bits on all processors of one maker; what numpy alone computes on both makers'.
- ``compatible``: MKL's oldest mode besides, the same bits on both.
- ``native``: whatever each library chooses here, or the environment says.
"""

import os
from functools import cache
from pathlib import Path

ARITHMETIC = "CHERISH_ARITHMETIC"
AVX2, COMPATIBLE, NATIVE = "avx2", "compatible", "native"
ONE_THREAD = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
# numpy's names of what is above AVX2, each with an instruction set that the processor must have for it: numpy warns of
# the others
_NUMPY_ABOVE = {"X86_V4": "avx512vl", "AVX512_ICL": "avx512_vbmi2", "AVX512_SPR": "avx512_fp16"}


class UnknownArithmetic(ValueError):
    """CHERISH_ARITHMETIC is none of the three; the message names them."""


def fix_arithmetic() -> None:
    """Hold this process, and those that it starts, to one arithmetic; before numpy is first imported.

    Raises UnknownArithmetic. On a processor without AVX2 and FMA, or of another architecture, only the threads are set.
    """
    os.environ.update(settings(os.environ.get(ARITHMETIC, AVX2), _instruction_sets()))


def settings(arithmetic: str, has: frozenset[str]) -> dict[str, str]:
    """Environment variables for an arithmetic on a processor that ``has`` these instruction sets."""
    if arithmetic not in (AVX2, COMPATIBLE, NATIVE):
        raise UnknownArithmetic(f"{ARITHMETIC} is {arithmetic!r}; it can be {AVX2}, {COMPATIBLE} or {NATIVE}")
    result = dict.fromkeys(ONE_THREAD, "1")
    if arithmetic == NATIVE or not {"avx2", "fma"} <= has:
        return result
    above = " ".join(name for name, needed in _NUMPY_ABOVE.items() if needed in has)
    return result | {
        "NPY_DISABLE_CPU_FEATURES": above,
        "OPENBLAS_CORETYPE": "Haswell",
        "MKL_CBWR": "COMPATIBLE" if arithmetic == COMPATIBLE else "AVX2",
        "ATEN_CPU_CAPABILITY": "avx2",
    }


@cache
def _instruction_sets() -> frozenset[str]:
    """Of this machine's processor; empty where it does not say."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return frozenset()
    return frozenset(next((line for line in lines if line.startswith("flags")), "").split())
