"""Named arrays in one flat vector: aligned, the same there and back, and refused by name where they do not fit."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from contract.errors import InvalidProblem
from worker.engine.tensors.layout import ALIGNMENT, Layout, aligned

SHAPES = [("weight", (3, 5)), ("bias", (3,)), ("scale", ())]
shapes = st.lists(st.lists(st.integers(1, 7), max_size=3).map(tuple), min_size=1, max_size=4).map(
    lambda found: [(f"array {at}", shape) for at, shape in enumerate(found)]
)


def arrays(layout: Layout, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {slot.name: rng.normal(size=slot.shape).astype(np.float32) for slot in layout.slots}


@given(st.integers(0, 10**6), st.integers(1, 999))
def test_a_size_is_rounded_up_to_the_next_multiple(size: int, to: int) -> None:
    found = aligned(size, to)
    assert found % to == 0
    assert size <= found < size + to


@given(shapes)
def test_every_array_and_every_model_starts_aligned_and_none_overlaps(found: list[tuple[str, tuple[int, ...]]]) -> None:
    layout = Layout.of(found)
    assert layout.width % ALIGNMENT == 0
    ends = 0
    for slot in layout.slots:
        assert slot.start % ALIGNMENT == 0
        assert slot.start >= ends
        ends = slot.start + slot.size
    assert layout.width >= ends


@given(shapes)
def test_arrays_come_back_as_they_went_in_and_the_padding_is_zero(found: list[tuple[str, tuple[int, ...]]]) -> None:
    layout = Layout.of(found)
    given_arrays = arrays(layout)
    flat = layout.pack(given_arrays, torch.float32)
    back = layout.unpack(flat)
    assert all(np.array_equal(back[name], array) for name, array in given_arrays.items())
    assert int((flat != 0).sum()) == sum(int((array != 0).sum()) for array in given_arrays.values())


def test_views_of_a_stack_are_the_models_own_memory() -> None:
    layout = Layout.of(SHAPES)
    stack = torch.zeros(4, layout.width)
    weight, bias, scale = layout.views(stack)
    assert (weight.shape, bias.shape, scale.shape) == ((4, 3, 5), (4, 3), (4,))
    bias[2] = 7.0
    assert layout.unpack(stack[2])["bias"].tolist() == [7.0, 7.0, 7.0]
    assert not stack[[0, 1, 3]].any()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"bias": None}, r"missing \['bias'\], unknown nothing"),
        ({"extra": np.zeros(2)}, r"missing nothing, unknown \['extra'\]"),
        ({"bias": np.zeros(4)}, r"'bias' has shape \(4,\); the learner's is \(3,\)"),
        ({"bias": np.array([0.0, np.nan, 1.0])}, "'bias' holds NaN or infinity"),
        ({"weight": np.full((3, 5), np.inf)}, "'weight' holds NaN or infinity"),
    ],
)
def test_arrays_that_do_not_fit_are_named(change: dict[str, np.ndarray | None], words: str) -> None:
    layout = Layout.of(SHAPES)
    whole = {name: array for name, array in (arrays(layout) | change).items() if array is not None}
    with pytest.raises(InvalidProblem, match=words):
        layout.pack(whole, torch.float32)
