"""Many coalitions at once: the pooled rows, stacks of gathered rows, and the plan of chunks.

Bits must not depend on what else is in a batch. Measured on CPU: a batched matrix product gives every slot the same
bits whatever the number of slots, provided each slot is aligned alike and torch uses one thread inside. So shapes
depend on the coalition alone (its row count is rounded up to a rung of a fixed ladder, padding has weight zero),
torch runs single-threaded inside ``single_threaded`` and several cores are used by several threads, each with its
own chunk. The size of a chunk is then free: it follows memory, and is halved when memory runs out.
"""

import itertools
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from worker.engine.games.game import Coalitions, EvaluationFailed
from worker.engine.games.problem import Problem
from worker.engine.tensors.layout import aligned

ShouldStop = Callable[[], bool]


class Stopped(Exception):
    """The caller wants the computation to stop; worths that were finished are kept."""


@dataclass(frozen=True)
class Batch:
    """Gathered rows of K coalitions: X [K, m, ...], y [K, m] (class numbers, or numbers in X's type), and weight
    [K, m], 1 for a row and 0 for padding."""

    X: Tensor
    y: Tensor
    weight: Tensor

    @cached_property
    def counts(self) -> Tensor:
        """Rows per coalition [K], at least 1 so that an empty coalition divides nothing by nothing."""
        return self.weight.sum(dim=1).clamp(min=1)


class Pool:
    """All rows of a problem, on the device: first the rest, then the players in canonical order.

    Players that are ``away`` (by their place) have none here, and an empty span; they count among the rows.
    """

    def __init__(self, problem: Problem, device: torch.device, dtype: torch.dtype, *, with_rest: bool = True) -> None:
        parts = [(p.X, p.y) for p in problem.players]
        self.rest_rows = 0
        if with_rest and problem.rest is not None:
            parts.insert(0, (problem.rest.X, problem.rest.y))
            self.rest_rows = len(problem.rest)
        self.X = torch.from_numpy(np.concatenate([X for X, _ in parts])).to(device=device, dtype=dtype)
        labels = torch.from_numpy(problem.trained_on(np.concatenate([y for _, y in parts])))
        self.y = (labels.to(dtype) if labels.is_floating_point() else labels).to(device)
        self.player_rows = np.array([len(p) for p in problem.players])
        bounds = self.rest_rows + np.concatenate([[0], np.cumsum([len(p.y) for p in problem.players])])
        self.spans = [(int(a), int(b)) for a, b in itertools.pairwise(bounds)]
        self.owner = torch.full((len(self.y),), -1, dtype=torch.int64, device=device)
        for i, (a, b) in enumerate(self.spans):
            self.owner[a:b] = i
        self.contents = self._contents(problem)
        self.away = {place: p.away for place, p in enumerate(problem.players) if p.away is not None}
        self.device = device

    def __len__(self) -> int:
        """All rows, those of players that are away among them."""
        return self.rest_rows + int(self.player_rows.sum())

    def _contents(self, problem: Problem) -> list[tuple[str, tuple[int, int]]]:
        """A name for each content, and where its rows lie; copies are numbered: none repeats another's draws."""
        contents = []
        if self.rest_rows and problem.rest is not None:
            contents.append((problem.rest.digest, (0, self.rest_rows)))
        seen = Counter[str]()
        for player, span in zip(problem.players, self.spans, strict=True):
            contents.append((f"{player.digest} {seen[player.digest]}", span))
            seen[player.digest] += 1
        return contents

    def row_counts(self, coalitions: Coalitions) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Rows kept by each coalition, the rest included, int64[K]."""
        counts: np.ndarray[tuple[int], np.dtype[np.int64]] = coalitions @ self.player_rows + self.rest_rows
        return counts

    def masks(self, coalitions: Coalitions) -> Tensor:
        """Which pooled rows each coalition keeps, bool[K, N]."""
        kept = torch.from_numpy(np.concatenate([coalitions, np.ones((len(coalitions), 1), dtype=bool)], axis=1))
        return kept.to(self.device)[:, self.owner]  # owner -1 is the column appended last: the rest

    def indices(self, coalition: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Tensor:
        """Indices of the rows that one coalition keeps, int64[m]."""
        return torch.nonzero(self.masks(coalition[None])[0]).squeeze(1)

    def gather(self, coalitions: Coalitions, padded: int) -> Batch:
        """The rows of each coalition, padded with row 0 at weight 0 to ``padded`` rows."""
        index = torch.zeros((len(coalitions), padded), dtype=torch.int64, device=self.device)
        weight = torch.zeros((len(coalitions), padded), dtype=self.X.dtype, device=self.device)
        for slot, coalition in enumerate(coalitions):
            rows = self.indices(coalition)
            index[slot, : len(rows)] = rows
            weight[slot, : len(rows)] = 1
        return Batch(self.X[index], self.y[index], weight)


def rung(rows: int) -> int:
    """Row counts are padded to a ladder, eight rungs an octave: a function of the coalition alone, <= 12.5 % waste."""
    if rows <= 256:
        return max(aligned(rows), 32)
    step = aligned(1 << max((rows - 1).bit_length() - 4, 5))
    return -(-rows // step) * step


@contextmanager
def single_threaded() -> Iterator[None]:
    """One thread inside torch for as long as this is open: the bits of its sums depend on the number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@dataclass(frozen=True)
class Chunk:
    """Positions, in the request, of coalitions that are computed as one stack."""

    positions: np.ndarray[tuple[int], np.dtype[np.int64]]


def plan(keys: Sequence[int], limit: Callable[[int], int]) -> list[Chunk]:
    """Chunks of positions with equal keys, at most ``limit(key)`` each, dearest keys first."""
    groups: dict[int, list[int]] = {}
    for position, key in enumerate(keys):
        groups.setdefault(key, []).append(position)
    chunks = []
    for key in sorted(groups, reverse=True):
        positions, size = np.array(groups[key], dtype=np.int64), max(1, limit(key))
        chunks += [Chunk(positions[a : a + size]) for a in range(0, len(positions), size)]
    return chunks


def out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory ran out, on a device or on the host."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and "allocate memory" in str(error)


def run_chunks(
    chunks: Sequence[Chunk], compute: Callable[[Chunk], None], threads: int, should_stop: ShouldStop
) -> None:
    """Run every chunk; halve the ones that run out of memory; stop between chunks where ``should_stop`` says so.

    Raises:
        Stopped: ``should_stop`` answered true; chunks that were finished stay finished.
        EvaluationFailed: memory ran out for a single coalition.
    """
    queue, lock, errors = deque(chunks), threading.Lock(), list[BaseException]()

    def work() -> None:
        while True:
            with lock:
                if errors or not queue:
                    return
                chunk = queue.popleft()
            try:
                if should_stop():
                    raise Stopped("stopped between two chunks")
                compute(chunk)
            except Exception as error:
                with lock:
                    if out_of_memory(error) and len(chunk.positions) > 1:
                        half = len(chunk.positions) // 2
                        queue.extendleft([Chunk(chunk.positions[half:]), Chunk(chunk.positions[:half])])
                    else:
                        errors.append(_as_failure(error))

    if threads <= 1 or len(chunks) == 1:
        work()
    else:
        with ThreadPoolExecutor(threads) as workers:
            for future in [workers.submit(work) for _ in range(threads)]:
                future.result()
    if errors:
        raise errors[0]


def _as_failure(error: Exception) -> Exception:
    if out_of_memory(error):
        failure = EvaluationFailed(
            f"memory ran out for a single coalition: {error}; use smaller minibatches (batch=…) or a larger device"
        )
        failure.__cause__ = error
        return failure
    return error
