"""Untrained weights: He-scaled matrices and zero biases, of the seed, the learner and the shapes alone."""

import math

import torch

from worker.engine.learners.start import he_start
from worker.engine.tensors.layout import Layout

LAYOUT = Layout.of([("weight", (40, 50)), ("bias", (40,)), ("kernel", (20, 3, 3, 10))])


def test_matrices_have_the_spread_that_keeps_activations_and_biases_are_zero() -> None:
    weight, bias, kernel = LAYOUT.views(he_start("it", LAYOUT, torch.float64, 3)[None])
    assert not bias.any()
    for found, into in ((weight, 50), (kernel, 90)):
        assert abs(float(found.std()) / math.sqrt(2 / into) - 1) < 0.06
        assert abs(float(found.mean())) < 0.02


def test_seed_name_and_shapes_all_count_and_nothing_else() -> None:
    one = he_start("it", LAYOUT, torch.float32, 3)
    assert torch.equal(one, he_start("it", LAYOUT, torch.float32, 3))
    other = Layout.of([("weight", (40, 50)), ("bias", (40,)), ("kernel", (20, 3, 3, 11))])
    for changed in (
        he_start("it", LAYOUT, torch.float32, 4),
        he_start("other", LAYOUT, torch.float32, 3),
        he_start("it", other, torch.float32, 3),
    ):
        assert not torch.equal(one[:2000], changed[:2000])


def test_single_precision_is_double_precision_rounded() -> None:
    wide = he_start("it", LAYOUT, torch.float64, 3)
    assert torch.equal(he_start("it", LAYOUT, torch.float32, 3), wide.float())
