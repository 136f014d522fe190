"""Kept answers of models: bytes that give back every bit, are the same for the same arrays, and refuse other bytes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from contract.results.answers import Anchors, pack, pack_anchors, unpack, unpack_anchors
from contract.tasks import Targets

ARRAYS = st.one_of(
    *(
        arrays.arrays(dtype, arrays.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=5))
        for dtype in (np.float32, np.float64, np.int64)
    )
)


@given(st.dictionaries(st.text(min_size=1, max_size=5), ARRAYS, max_size=3))
def test_every_bit_of_every_array_comes_back(named: dict[str, np.ndarray]) -> None:
    back = unpack(pack(named))
    assert back.keys() == named.keys()
    for name, array in named.items():
        assert back[name].dtype == array.dtype
        assert back[name].shape == array.shape
        assert back[name].tobytes() == array.tobytes()


def test_equal_arrays_are_equal_bytes_whatever_their_order_layout_and_byte_order() -> None:
    a, b = np.arange(12, dtype=np.float32).reshape(3, 4), np.arange(3)
    one = pack({"a": a, "b": b})
    assert pack({"b": b, "a": np.asfortranarray(a)}) == one
    assert pack({"a": a.astype(">f4"), "b": b}) == one


def test_other_bytes_are_refused() -> None:
    with pytest.raises(ValueError, match="no answers of models"):
        unpack(b"PK\x03\x04 something else")


@pytest.mark.parametrize("weights", [None, np.array([0.25, 0.75])])
def test_anchors_come_with_what_the_test_units_really_are(weights: np.ndarray | None) -> None:
    everybody, nobody = np.random.default_rng(0).normal(size=(2, 2, 3)).astype(np.float32)
    frequencies = None if weights is None else np.array([0.5, 0.25, 0.25])
    for model in (nobody, None):
        anchors = Anchors(everybody, model, Targets(np.array([2, 0]), weights, 3, frequencies), apart=4)
        back = unpack_anchors(pack_anchors(anchors))
        assert back.everybody.tobytes() == everybody.tobytes()
        assert (back.nobody is None) == (model is None)
        assert model is None or (back.nobody is not None and back.nobody.tobytes() == model.tobytes())
        assert (back.targets.values.tolist(), back.targets.classes, back.apart) == ([2, 0], 3, 4)
        for kept, packed in ((back.targets.weights, weights), (back.targets.frequencies, frequencies)):
            assert (kept is None) == (packed is None)
            assert kept is None or (packed is not None and (kept == packed).all())
