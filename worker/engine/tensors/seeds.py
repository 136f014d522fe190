"""Seeds that derive from content, so that the same coalition is computed alike anywhere and at any time.

Nothing here knows time, process, worker or order of arrival. A seed is a hash of its purpose; torch and numpy
generators are made from it on the CPU, so that a GPU draws the same numbers.
"""

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def derive(seed: int, *parts: str | int) -> int:
    """A 63-bit seed from a job's seed and the parts of its purpose."""
    text = "\x1f".join([str(seed), *map(str, parts)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def torch_generator(seed: int) -> "torch.Generator":
    import torch  # games of numpy alone derive seeds, too

    return torch.Generator("cpu").manual_seed(seed)


def numpy_generator(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)
