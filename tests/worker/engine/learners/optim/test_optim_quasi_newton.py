"""Many convex problems at once: each to its own minimum, by its own steps, whoever shares the stack."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from worker.engine.learners.optim.quasi_newton import minimise

D = 6


class Bowls:
    """f_p(x) = x' A_p x / 2 - b_p' x + sum log cosh x, over unknowns [1, D] of problem p; some are harder."""

    def __init__(self, problems: int, places: int, identity: bool = False) -> None:
        g = torch.Generator().manual_seed(3)
        roots = torch.randn(problems, D, D, generator=g, dtype=torch.float64)
        scale = torch.logspace(0, 2, problems, dtype=torch.float64)[:, None, None]
        self.A = scale * (roots @ roots.transpose(1, 2)) + torch.eye(D, dtype=torch.float64)
        self.b = torch.randn(problems, D, generator=g, dtype=torch.float64)
        self.places, self.holds = places, [0] * places
        self.evaluations, self.identity = 0, identity

    def load(self, place: int, problem: int) -> None:
        self.holds[place] = problem

    def evaluate(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        self.evaluations += 1
        A, b, x = self.A[self.holds], self.b[self.holds], theta[:, 0]
        # one product for each place: a batched one of another width may round otherwise, which is not tested here
        bent = torch.stack([matrix @ each for matrix, each in zip(A, x, strict=True)])
        value = 0.5 * (x * bent).sum(1) - (b * x).sum(1) + x.cosh().log().sum(1)
        return value, (bent - b + x.tanh()).unsqueeze(1)

    @property
    def precondition(self) -> Callable[[Tensor], Tensor]:
        if self.identity:
            return lambda gradient: gradient
        diagonal = self.A[self.holds].diagonal(dim1=1, dim2=2).unsqueeze(1) + 1.0
        return lambda gradient: gradient / diagonal

    def gradient_at(self, minimisers: Tensor) -> Tensor:
        self.holds = list(range(len(minimisers)))
        return self.evaluate(minimisers)[1].flatten(1).norm(dim=1)


START = torch.zeros(1, D, dtype=torch.float64)


@pytest.mark.parametrize(("problems", "places"), [(1, 1), (3, 8), (9, 4), (9, 1)])
@pytest.mark.parametrize("identity", [False, True])
def test_every_problem_reaches_the_tolerance(problems: int, places: int, identity: bool) -> None:
    stack = Bowls(problems, places, identity)
    found, norms = minimise(stack, problems, START, 1e-8, 500)
    assert found.shape == (problems, 1, D)
    assert bool((norms <= 1e-8).all())
    assert bool((stack.gradient_at(found) <= 1e-8).all())


def test_what_a_problem_returns_does_not_depend_on_those_beside_it() -> None:
    alone, together = (minimise(Bowls(7, places), 7, START, 1e-8, 500) for places in (1, 3))
    assert torch.equal(alone[0], together[0])
    assert torch.equal(alone[1], together[1])


def test_a_problem_that_has_had_its_iterations_says_how_far_it_came_and_delays_no_other() -> None:
    stack = Bowls(5, 2)
    _, norms = minimise(stack, 5, START, 1e-300, 6)
    assert bool((norms > 0).all())
    assert bool(torch.isfinite(norms).all())
    assert stack.evaluations <= 5 * (6 + 2)


def test_a_start_that_is_the_minimum_stays_there() -> None:
    stack = Bowls(1, 1)
    found, _ = minimise(stack, 1, START, 1e-10, 500)
    again, norm = minimise(stack, 1, found[0], 1e-9, 500)
    assert torch.equal(again, found)
    assert float(norm[0]) <= 1e-9
