"""Seeds come of content alone: the same purpose draws the same numbers anywhere, and another purpose others."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from worker.engine.tensors.seeds import derive, numpy_generator, torch_generator


@given(st.integers(), st.lists(st.text() | st.integers(), max_size=4))
def test_a_seed_fits_both_generators(seed: int, parts: list[str | int]) -> None:
    assert 0 <= derive(seed, *parts) < 2**63


def test_a_seed_is_this_number_on_every_machine() -> None:
    """Worths that are stored were drawn by it: another number would be another game under the same digest."""
    assert derive(0) == 3456079177858693020
    assert derive(7, "retrain", "p0", 3) == 1021880417641038792


def test_job_purpose_and_order_of_its_parts_all_count() -> None:
    seeds = [derive(1, "a", "b"), derive(2, "a", "b"), derive(1, "b", "a"), derive(1, "a"), derive(1, "ab"), derive(1)]
    assert len(set(seeds)) == len(seeds)
    assert derive(1, "a", 2) == derive(1, "a", "2")


def test_generators_of_a_seed_repeat_and_are_of_the_cpu() -> None:
    assert torch_generator(5).device.type == "cpu"
    assert torch.equal(torch.rand(3, generator=torch_generator(5)), torch.rand(3, generator=torch_generator(5)))
    assert np.array_equal(numpy_generator(5).random(3), numpy_generator(5).random(3))
    assert not np.array_equal(numpy_generator(5).random(3), numpy_generator(6).random(3))
