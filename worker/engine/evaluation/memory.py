"""The memory that a run on a frozen model needs, planned before anything is computed; a refusal where it cannot fit.

What is held once (the base's weights, the rows) and what every stacked coalition adds (adapters with gradient and
moments, activations, outputs) are counted from shapes. The plan says how many coalitions may be stacked; where not
even one fits, the error names the numbers and the settings that would fit. Nothing is allocated or measured here but
the free memory of the device.
"""

from dataclasses import dataclass
from pathlib import Path

import torch

from contract.errors import InvalidProblem
from worker.engine.learners.causal_lm import LanguageModel
from worker.engine.learners.learner import Learner
from worker.engine.learners.lora_classifier import AdaptedEncoder

PLANNED = (LanguageModel, AdaptedEncoder)
MOST_STACKED = 1024
_CPU_BYTES = 8 << 20  # measured on two cores: larger stacks leave the caches and are slower
_SPARE = 0.8  # of the free memory may be planned: allocators waste some, and methods keep sums
_GB = 1e9
_MOST_QUEUED = 64  # for the places of one stack: whoever asks to stop loses what is in it
_SETTINGS = ((0, 0), (1, 0), (0, 1), (1, 1))  # recompute and bf16, mildest first


@dataclass(frozen=True)
class MemoryPlan:
    """Bytes: ``free`` before the run, ``shared`` held once, ``each`` per stacked coalition; ``stack`` of them fit."""

    free: int
    shared: int
    each: int
    stack: int


def plan(learner: LanguageModel | AdaptedEncoder, row_bytes: int, free: int) -> MemoryPlan:
    """The plan for ``free`` bytes; raises InvalidProblem where the base and one coalition do not fit."""
    base, each = learner.bytes_with(batch=learner.batch, recompute=learner.recompute, bf16=learner.bf16)
    shared = base + row_bytes
    stack = int((_SPARE * free - shared) // each)
    if stack < 1:
        raise InvalidProblem(
            f"learner '{learner.name}': memory for one coalition does not fit: the base takes {base / _GB:.2f} GB,"
            f" the rows {row_bytes / _GB:.2f} GB, and one coalition's adapters, activations and outputs"
            f" {each / _GB:.2f} GB; {free / _GB:.2f} GB are free. {_mend(learner, row_bytes, free)}"
        )
    return MemoryPlan(free, shared, each, min(stack, MOST_STACKED))


def stack_limit(planned: MemoryPlan | None, each: int, device: torch.device, slots: int) -> int:
    """How many coalitions of ``each`` bytes to stack: what was planned or fits half the free memory, and on a CPU what
    stays near its caches."""
    if planned is not None:
        near = planned.stack if device.type == "cuda" else _CPU_BYTES // each
        return max(1, min(planned.stack, near))
    if device.type == "cuda":
        return max(1, min(MOST_STACKED, torch.cuda.mem_get_info(device)[0] // 2 // each))
    return max(slots, min(64, _CPU_BYTES // each))


@dataclass(frozen=True, eq=False)
class Slots:
    """By what a stack is limited: the learner, the device, how many chunks are computed at a time, a ``stack`` that
    the caller has fixed, and the plan of a large model."""

    learner: Learner
    device: torch.device
    threads: int
    stack: int | None
    plan: MemoryPlan | None

    def stacked(self, count: int, places: int, key: int) -> int:
        """How many of ``count`` coalitions to stack: what memory allows; but where a coalition that has ended leaves
        its place to the next, a part of them for each thread."""
        if self.stack is not None:
            return self.stack
        slots = self.learner.slots
        if slots > 1 and self.device.type == "cpu":
            return max(slots, min(_MOST_QUEUED, -(-count // max(self.threads, 1))))
        if places > 1:
            return places
        return stack_limit(self.plan, self.learner.bytes_per_model(key), self.device, slots)


def _mend(learner: LanguageModel | AdaptedEncoder, row_bytes: int, free: int) -> str:
    """The mildest change of settings that fits, in words."""
    batch = learner.batch
    while batch >= 1:
        for recompute, bf16 in _SETTINGS[: 2 ** len(learner.mends)]:
            shared, each = learner.bytes_with(batch=batch, recompute=bool(recompute), bf16=bool(bf16))
            if shared + row_bytes + each <= _SPARE * free:
                settings = {"recompute": recompute, "bf16": bf16, "batch": batch}
                kept = {"recompute": int(learner.recompute), "bf16": int(learner.bf16), "batch": learner.batch}
                changed = [f"{name}={value}" for name, value in settings.items() if value != kept[name]]
                return f"{', '.join(changed)} would fit, with {(shared + row_bytes + each) / _GB:.2f} GB"
        batch //= 2
    shared, each = learner.bytes_with(batch=1, recompute=True, bf16=True)
    least = (shared + row_bytes + each) / _SPARE
    named = ", ".join(f"{name}=1" for name in learner.mends)
    return (
        f"No setting fits: {named} and batch=1 still take {least / _GB:.2f} GB of free memory; use a"
        " smaller base or a larger device"
    )


def free_bytes(device: torch.device) -> int:
    """Free memory of a device; on a CPU what the system says is available, or less where its control group says so."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    limits = [_available()]
    limit, used = (Path("/sys/fs/cgroup") / f"memory.{name}" for name in ("max", "current"))
    if limit.is_file() and used.is_file() and limit.read_text().strip() != "max":
        limits.append(int(limit.read_text()) - int(used.read_text()))
    return max(min(limits), 0)


def _available() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) << 10
    raise InvalidProblem("/proc/meminfo does not say what memory is available: give a device that says, or stack=1")
