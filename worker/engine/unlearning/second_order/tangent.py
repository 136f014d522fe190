"""Tangent unlearning: exact unlearning of the linearised model by sufficient statistics.

A player is its statistics A_i = sum w phi phi^T and b_i = sum phi t^T over its rows; forgetting it is subtracting
them. A coalition is one k x k solve whatever its number of rows, (A_S + lambda N_S I) theta = b_S.

Full mode, networks: phi are tangents at the base model, w = 1 and t the labels; damping is the minimum of generalised
cross-validation (Golub et al. 1979) over all players, and outputs are sharpened by the temperature at which the
linearised full model agrees best (least KL) with M_full's own answers on unlabelled held-out rows.
Full mode, learners linear in their rows: one Newton step towards every coalition's own optimum, from half of M_full
(between the optima of large coalitions and of small ones): w is the row's mean curvature at that point and
t = w z + y - p its working response, z being its outputs there. The damping is then the learner's own l2. Where few
enough coalitions are asked for, and all rows are here, models of classes go on from there on the kept rows
(descent_of_kept.py).
Partial mode: the delta form around M_full. There the retained gradient is minus the forgotten one, so
delta_S = -(A_R + lambda N_R I)^-1 sum over forgotten of phi r^T with r = y - p_full and w the rows' curvature at
M_full; A_R comes from statistics stored with the checkpoint or from anchor rows scaled up. Learners linear in their
rows forget their share of the l2 penalty too. A network that was trained until it fits its rows exactly leaves
residuals too small for one step, so its step is stretched until forgotten rows are no surer than rows it never saw.
Nothing is ever chosen by a retrained worth.
"""

import hashlib
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from contract.learning.costs import ModelCost
from contract.learning.methods import known
from contract.metrics import Predicts
from worker.engine.games.away import Away
from worker.engine.games.game import Coalitions
from worker.engine.games.problem import Rows
from worker.engine.tensors.layout import aligned
from worker.engine.unlearning.context import Context
from worker.engine.unlearning.method import Method
from worker.engine.unlearning.second_order.descent_of_kept import descend, kept, seconds_of_step, steps_taken
from worker.engine.unlearning.tangent_features import Statistics, Tangents, default_width

_DAMPINGS = np.geomspace(1e-6, 1e-1, 21)
_TEMPERATURES = np.geomspace(1.0, 64.0, 49)
_PARTIAL_DAMPING = 3e-3  # of the mean curvature, for networks; tried by hand on three partial games, two seeds each
_STRETCHES = np.geomspace(1.0, 32.0, 41)
_START = 0.5  # of M_full: where linear learners' Newton step starts; tried by hand on three games against 0, .7 and 1
_COST_SHARE = 0.015  # of a mean-size retraining: what the width of the solve is chosen by
_SOLVE_PENALTY = 4.0  # a small Cholesky runs this much slower, per multiplication, than training's products
_NARROWEST, _WIDEST = 96, 512
_USUAL = 128  # directions that damping leaves
_PLACES = 8  # coalitions that are solved together: for memory, and because widths change bits
_HIDDEN, _TRAINED = "hidden", "trained"  # whose statistics are stored with a checkpoint
_WHOLE = 8  # directions that fill a processor's vector


@dataclass(frozen=True)
class Linearised:
    """Players' statistics A [n, k, k], b [n, k, C]; the rest's (or the hidden rows') A0, b0; how rows are mapped to
    k dimensions; damping relative to the number of rows; what outputs, or in partial mode their way from M_full's, are
    multiplied by."""

    A: Tensor
    b: Tensor
    A0: Tensor
    b0: Tensor
    tangents: Tangents
    basis: Tensor
    damping: float
    scale: float

    def features(self, X: Tensor) -> Tensor:
        return self.tangents(X) @ self.basis


def tangents_of(context: Context) -> Tangents:
    """Tangents at the base model, or in partial mode at M_full."""
    reference = context.full if context.partial else context.base
    return Tangents(context.learner, reference, _sketch(context))


def _sketch(context: Context) -> int:
    """Columns of the sketch. Where rows are away, by default fewer than half of the fewest rows: moments of more would
    tell of the rows, and their holders refuse (``agent.policy``)."""
    parameters = context.learner.layout.width
    usual = default_width(parameters)
    least = min((player.rows for player in context.pool.away.values()), default=0)
    if not least:
        return int(context.option("tangent.sketch", usual))
    return min(int(context.option("tangent.sketch", min(usual, max(least // 2 - 1, 1)))), parameters)


def player_statistics(context: Context) -> list[Statistics]:
    """Each player's statistics, from storage where an earlier job left them, else computed."""
    return context.once("tangent statistics", lambda: _player_statistics(context))


def _player_statistics(context: Context) -> list[Statistics]:
    tangents, pool = tangents_of(context), context.players_only()
    targets, weight = targets_of(context, pool.X, pool.y)
    result = []
    for player, (a, b) in zip(context.problem.players, pool.spans, strict=True):
        if player.away is not None:
            result.append(_asked_statistics(context, tangents, player.away))
            continue
        earlier = stored(context, tangents, player.digest)
        result.append(earlier or tangents.statistics(pool.X[a:b], targets[a:b], weight[a:b]))
    return result


def _asked_statistics(context: Context, tangents: Tangents, away: Away) -> Statistics:
    """The statistics of a player whose rows are not here, from whoever holds them."""
    if context.learner.linear:
        sums = away.curvature(_unknowns(context), context.check)
        return Statistics(sums.A, sums.b, away.rows)
    moments = away.tangents(tangents.reference, tangents.width - 1, context.check)
    return Statistics(moments.A, moments.b, away.rows)


def _unknowns(context: Context) -> Tensor:
    """The model [C, d + 1] where a full-mode Newton step of a linear learner starts, the constant last."""
    start = context.option("tangent.start", _START) * context.full
    weight, bias = context.learner.layout.views(start.unsqueeze(0))
    return torch.cat([weight[0], bias[0].unsqueeze(1)], dim=1).double()


def targets_of(context: Context, X: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Targets float64[m, C] and weights float64[m] of rows: labels; or, for learners linear in their rows, working
    responses; or, in partial mode, what M_full leaves of the labels."""
    loss = context.learner.loss
    labels = loss.targets(y, context.learner.classes)
    if not context.partial and not context.learner.linear:
        return labels, torch.ones(len(y), dtype=torch.float64, device=y.device)
    z = _reference(context, X)
    weight = loss.bend(z)
    left = labels - loss.expected(z)
    return (left if context.partial else left + weight.unsqueeze(1) * z), weight


def _reference(context: Context, X: Tensor) -> Tensor:
    """Outputs float64[m, C] of M_full, or where a full-mode Newton step starts."""
    model = context.full if context.partial else context.option("tangent.start", _START) * context.full
    return context.learner.logits(model.unsqueeze(0), X)[0].double()


def storage_prefix(context: Context, tangents: Tangents, digest: str) -> str:
    """Names of stored arrays: the feature map (and so the checkpoint), what the targets are, and whose rows."""
    kind = "labels"
    if context.partial:
        kind = "residuals"
    elif context.learner.linear:
        start = context.option("tangent.start", _START) * context.full
        kind = f"working-{hashlib.sha256(start.cpu().numpy().tobytes()).hexdigest()[:16]}"
    return f"tangent/{tangents.digest}/{kind}/{digest}/"


def stored(context: Context, tangents: Tangents, digest: str) -> Statistics | None:
    prefix, arrays = storage_prefix(context, tangents, digest), context.statistics
    if f"{prefix}A" not in arrays:
        return None
    A, b = (torch.from_numpy(np.array(arrays[f"{prefix}{name}"])).to(context.device) for name in "Ab")
    return Statistics(A, b, int(arrays[f"{prefix}rows"][0]))


def rest_statistics(context: Context, tangents: Tangents) -> Statistics:
    """Of rows that no coalition forgets: the rest; in partial mode the hidden rows, as far as they are known."""
    classes, pool = context.learner.classes, context.pool
    if not context.partial:
        X, y = pool.X[: pool.rest_rows], pool.y[: pool.rest_rows]
        return tangents.statistics(X, *targets_of(context, X, y))
    hidden = hidden_stored(context, tangents)
    if hidden is not None:
        return hidden
    assert context.anchor is not None  # noqa: S101 - partial mode always has anchor rows
    rows = context.anchor[0]
    nothing = torch.zeros((len(rows), classes), dtype=torch.float64, device=rows.device)
    sums = tangents.statistics(rows, nothing, context.learner.loss.bend(_reference(context, rows)))
    return Statistics(sums.A * (context.hidden_rows / max(len(rows), 1)), sums.b, context.hidden_rows)


def hidden_stored(context: Context, tangents: Tangents) -> Statistics | None:
    """Statistics at M_full of the hidden rows: stored by their holder, or what the players' own leave of those of all
    rows that M_full was trained on; None where neither is known."""
    hidden, whole = stored(context, tangents, _HIDDEN), stored(context, tangents, _TRAINED)
    if hidden is not None or whole is None:
        return hidden
    own = player_statistics(context)
    A = whole.A - torch.stack([each.A for each in own]).sum(dim=0)
    return Statistics(A, torch.zeros_like(whole.b), context.hidden_rows)


def hidden_statistics(context: Context, rows: Rows) -> dict[str, NDArray[Any]]:
    """Statistics at M_full of rows that will be hidden, as named arrays; computed by their holder."""
    X = torch.from_numpy(rows.X).to(device=context.device, dtype=context.learner.dtype)
    return _curvature(context, context.full, X, _HIDDEN)


def trained_statistics(context: Context, model: Tensor, kept: NDArray[np.bool_]) -> dict[str, NDArray[Any]]:
    """Statistics at ``model`` [P] of all rows that it was trained on, the players ``kept`` bool[n] and the rest, as
    named arrays: what is stored beside a checkpoint that is trained here."""
    return _curvature(context, model, context.pool.X[context.pool.indices(kept)], _TRAINED)


def _curvature(context: Context, model: Tensor, X: Tensor, whose: str) -> dict[str, NDArray[Any]]:
    tangents = Tangents(context.learner, model, tangents_of(context).width - 1)
    nothing = torch.zeros((len(X), context.learner.classes), dtype=torch.float64, device=context.device)
    weight = context.learner.loss.bend(context.learner.logits(model.unsqueeze(0), X)[0].double())
    return tangents.statistics(X, nothing, weight).arrays(f"tangent/{tangents.digest}/residuals/{whose}/")


def prepare(context: Context) -> Linearised:
    return context.once("tangent", lambda: _whole(_prepare(context)))


def _prepare(context: Context) -> Linearised:
    tangents = tangents_of(context)
    players, rest = player_statistics(context), rest_statistics(context, tangents)
    total = rest.A + torch.stack([s.A for s in players]).sum(dim=0)
    rows = rest.rows + sum(s.rows for s in players)
    basis = _basis(total, rows, solve_width(context), scaled=not context.learner.linear)
    A = torch.stack([basis.T @ s.A @ basis for s in players])
    b = torch.stack([basis.T @ s.b for s in players])
    A0, b0 = basis.T @ rest.A @ basis, basis.T @ rest.b
    model = Linearised(A, b, A0, b0, tangents, basis, 0.0, 1.0)
    if context.learner.linear:
        model = replace(model, damping=context.option("tangent.damping", context.learner.l2))
        return replace(model, b=b - _penalties(context, basis)) if context.partial else model
    if context.partial:
        # The basis makes the mean square of the weighted features one: damping is relative to the mean curvature.
        model = replace(model, damping=context.option("tangent.damping", _PARTIAL_DAMPING))
        return replace(model, scale=context.option("tangent.stretch", 0.0) or _stretch(context, model))
    squares = _target_squares(context)
    damping = context.option("tangent.damping", _cross_validated(A.sum(dim=0) + A0, b.sum(dim=0) + b0, rows, squares))
    model = _trimmed(model, damping * rows)
    # a number's outputs are not surer where they are larger
    softer = 1.0 if context.learner.predicts is Predicts.NUMBER else _temperature(context, model, damping, rows)
    temperature = context.option("tangent.temperature", softer)
    return replace(model, damping=damping, scale=temperature)


def _trimmed(model: Linearised, damping: float) -> Linearised:
    """Without the directions that damping leaves less than half of, but at least the narrowest basis: they cost time
    and add nothing."""
    moments = (model.A.sum(dim=0) + model.A0).diagonal()
    keep = max(int((moments > damping).sum()), _NARROWEST)
    return replace(
        model,
        A=model.A[:, -keep:, -keep:].contiguous(),
        b=model.b[:, -keep:].contiguous(),
        A0=model.A0[-keep:, -keep:].contiguous(),
        b0=model.b0[-keep:].contiguous(),
        basis=model.basis[:, -keep:].contiguous(),
    )


def _whole(model: Linearised) -> Linearised:
    """With directions that hold nothing, up to whole vectors: a matrix of a stack is factored to the same bits in every
    place only where all places are aligned alike (with odd k every second one was not, and rounded otherwise)."""
    missing = aligned(model.A.shape[1], _WHOLE) - model.A.shape[1]
    pad = torch.nn.functional.pad
    A0 = pad(model.A0, (0, missing, 0, missing))
    A0.diagonal()[len(model.A0) :] = 1.0  # avoids 0 / 0 where there is no damping
    return replace(
        model,
        A=pad(model.A, (0, missing, 0, missing)),
        b=pad(model.b, (0, 0, 0, missing)),
        A0=A0,
        b0=pad(model.b0, (0, 0, 0, missing)),
    )


def _penalties(context: Context, basis: Tensor) -> Tensor:
    """The gradient [n, k, C] of the l2 penalty at M_full for each player's rows: l2 times rows times M_full."""
    weight, bias = context.learner.layout.views(context.full.unsqueeze(0))
    full = basis.T @ torch.cat([weight[0].T, bias]).double()
    rows = torch.tensor([len(p) for p in context.problem.players], dtype=full.dtype, device=full.device)
    return context.learner.l2 * rows[:, None, None] * full


def _stretch(context: Context, model: Linearised) -> float:
    """How many times further than one step outputs must go, 1 to 32: for each player the least that leaves M_full no
    surer of the player's labels, once it alone is forgotten, than of the same labels on anchor rows, which it never
    saw; of these the median, because players with wrong labels are past that point already. Copies are forgotten
    together: M_full goes on knowing the rows of one that is kept."""
    assert context.anchor is not None  # noqa: S101 - partial mode always has anchor rows
    rows, labels = context.anchor
    loss = context.learner.loss
    sure = loss.sureness(_reference(context, rows), labels)
    usual = torch.full((context.learner.classes,), float(sure.mean()), dtype=sure.dtype, device=sure.device)
    of_classes = context.learner.predicts is Predicts.CLASS
    for c in torch.unique(labels) if of_classes else ():
        usual[c] = sure[labels == c].mean()
    pool, digests = context.players_only(), [p.digest for p in context.problem.players]
    needed = []
    for i, digest in enumerate(digests):
        if digest in digests[:i]:
            continue
        kept = np.array([other != digest for other in digests])
        a, b = pool.spans[i]
        left = np.array([kept @ pool.player_rows + context.hidden_rows])
        step = model.features(pool.X[a:b]) @ _solved(model, kept[None], left, partial=True)[1][0]
        outputs, y = _reference(context, pool.X[a:b]), pool.y[a:b]
        like = usual[y] if of_classes else usual
        enough = [t for t in _STRETCHES if float((loss.sureness(outputs + t * step, y) - like).mean()) <= 0]
        needed.append(enough[0] if enough else _STRETCHES[-1])
    return float(np.median(needed))


def solve_width(context: Context) -> int:
    """k: as wide as 1.5 % of a mean-size retraining allows, between 96 and 512, and never wider than the features. In
    partial mode, where nothing corrects for the directions left out, learners linear in their rows get 512."""
    learner, rows = context.learner, len(context.pool)
    budget = _COST_SHARE * learner.row_gradients(0.5 * rows) * 3 * learner.layout.width
    affordable = (3 * budget / _SOLVE_PENALTY) ** (1 / 3)
    wide = _WIDEST if context.partial and learner.linear else min(max(affordable, _NARROWEST), _WIDEST)
    width = int(context.option("tangent.k", wide))
    return min(width, learner.features + 1) if learner.linear else width


def _basis(total: Tensor, rows: int, k: int, *, scaled: bool) -> Tensor:
    """[width, k']: the k leading eigenvectors of the pooled second moment, of features that are first ``scaled`` to
    mean square 1 where they have no scale of their own."""
    scale = torch.ones(len(total), dtype=total.dtype, device=total.device)
    if scaled:
        scale[:-1] = (total.diagonal()[:-1].sum() / rows).clamp(min=1e-300).rsqrt()
    values, vectors = torch.linalg.eigh(scale[:, None] * total * scale[None, :])
    keep = int((values > 1e-10 * values[-1]).sum().clamp(max=k))
    return cast(Tensor, scale[:, None] * vectors[:, -keep:])


def _target_squares(context: Context) -> float:
    """The sum over all rows of the squares of their targets; of one-hot labels it is their number."""
    if context.learner.predicts is not Predicts.NUMBER:
        return float(len(context.pool))
    tangents = tangents_of(context)
    asked = [
        away.tangents(tangents.reference, tangents.width - 1, context.check).squares
        for away in context.pool.away.values()
    ]
    return float(context.pool.y.double().square().sum()) + sum(asked)


def _cross_validated(A: Tensor, b: Tensor, rows: int, squares: float) -> float:
    """The damping of least generalised cross-validation error; ``squares`` is the targets' sum of squares."""
    values, vectors = torch.linalg.eigh(A)
    projected = (vectors.T @ b).square().sum(dim=1)
    errors = []
    for damping in _DAMPINGS:
        shrunk = values + damping * rows
        residual = squares - (projected * (2 / shrunk - values / shrunk.square())).sum()
        freedom = (values / shrunk).sum()
        errors.append(float(residual / (1 - freedom / rows).clamp(min=1e-3).square()))
    return float(_DAMPINGS[int(np.argmin(errors))])


def _temperature(context: Context, model: Linearised, damping: float, rows: int) -> float:
    """Where the linearised full model's answers are nearest to M_full's own, on held-out rows without their labels."""
    X = context.held_out[0]
    phi = _rows_of(context, model, X)
    A = model.A.sum(dim=0) + model.A0
    A.diagonal().add_(damping * rows)
    outputs = phi @ torch.linalg.solve(A, model.b.sum(dim=0) + model.b0)
    answers = torch.softmax(context.learner.logits(context.full.unsqueeze(0), X)[0].double(), dim=1)
    gains = [float((answers * torch.log_softmax(t * outputs, dim=1)).sum()) for t in _TEMPERATURES]
    return float(_TEMPERATURES[int(np.argmax(gains))])


def outputs(context: Context, coalitions: Coalitions, X: Tensor) -> Tensor:
    """Outputs [K, T, C]; the bits of one coalition depend on no other."""
    model = prepare(context)
    phi = context.once(f"tangent rows {X.data_ptr()}, filled up", lambda: _filled(_rows_of(context, model, X)))
    moved = torch.empty((len(coalitions), context.learner.classes, len(phi)), dtype=phi.dtype, device=phi.device)
    for a in range(0, len(coalitions), _PLACES):
        context.check()
        some = coalitions[a : a + _PLACES]
        moved[a : a + len(some)] = _moved(context, model, some, phi)[: len(some)]
    moved = moved[:, :, : len(X)].transpose(1, 2)
    if not context.partial:
        return model.scale * moved
    full = context.once(
        f"full outputs {X.data_ptr()}",
        lambda: context.learner.logits(context.full.unsqueeze(0), X)[0].double(),
    )
    return full + model.scale * moved


def _rows_of(context: Context, model: Linearised, X: Tensor) -> Tensor:
    """Features [T, k] of test or anchor rows, computed once."""
    return context.once(f"tangent rows {X.data_ptr()}", lambda: model.features(X))


def _filled(phi: Tensor) -> Tensor:
    """Both sides filled up to the alignment by zeros, so that every place of a product is rounded alike."""
    height, width = (aligned(size) - size for size in phi.shape)
    return torch.nn.functional.pad(phi, (0, width, 0, height))


def _moved(context: Context, model: Linearised, coalitions: Coalitions, phi: Tensor) -> Tensor:
    """Outputs [places, C, T] before scaling. There are always as many places, the last ones empty where coalitions
    are fewer: a product with shared rows rounds differently at other widths, but alike in every place of one."""
    places = np.zeros((_PLACES, coalitions.shape[1]), dtype=bool)
    places[: len(coalitions)] = coalitions
    kept_rows = context.pool.row_counts(places) + context.hidden_rows
    factor, solved = _solved(model, places, kept_rows, partial=context.partial)
    if steps := steps_taken(context):
        pool = context.once("tangent rows of the pool", lambda: model.features(context.pool.X))
        solved = descend(kept(context, places, pool, model.damping), factor, solved, steps)
    theta = solved.new_zeros((_PLACES, solved.shape[2], phi.shape[1]))
    theta[:, :, : solved.shape[1]] = solved.transpose(1, 2)
    return (theta.view(-1, phi.shape[1]) @ phi.T).view(_PLACES, solved.shape[2], len(phi))


def _solved(
    model: Linearised, coalitions: Coalitions, rows: NDArray[np.int64], *, partial: bool
) -> tuple[Tensor, Tensor]:
    """The Cholesky factor [K, k, k] of each coalition's solve, and theta_S [K, k, C] of what is kept, or in partial
    mode delta_S around M_full by what is forgotten."""
    retained = torch.from_numpy(coalitions).to(model.A)
    weight = 1.0 - retained if partial else retained
    A, b = model.A0 + _summed(retained, model.A), _summed(weight, model.b)
    if not partial:
        b += model.b0
    damping = torch.from_numpy(np.maximum(rows, 1)).to(A) * model.damping
    A.diagonal(dim1=1, dim2=2).add_(damping[:, None])
    factor = torch.linalg.cholesky(A)
    solved = torch.cholesky_solve(b, factor)
    return factor, -solved if partial else solved


def _summed(weight: Tensor, parts: Tensor) -> Tensor:
    """Sums [K, ...] over players of weight [K, n] times parts [n, ...]."""
    return (weight @ parts.flatten(1)).view(len(weight), *parts.shape[1:])


def seconds(context: Context) -> float:
    """A coalition's sums, its Cholesky and the outputs of the test rows; networks rarely keep more directions than
    ``_USUAL`` in full mode (``_trimmed``)."""
    k, classes, n = solve_width(context), context.learner.classes, len(context.problem.players)
    if not (context.learner.linear or context.partial):
        k = min(k, _USUAL)
    answers = len(context.problem.test) * classes * (k / 1e10 + 15e-9)
    descent = steps_taken(context) * seconds_of_step(len(context.pool), k, classes)
    return 60e-6 + answers + 0.1e-9 * k**3 / 3 + 0.3e-9 * n * k**2 + descent


def once(context: Context, cost: ModelCost) -> float:
    """The features of all rows, the sums of their products, and the eigenvectors of these."""
    learner, rows = context.learner, len(context.pool) + len(context.problem.test)
    width = int(context.option("tangent.sketch", default_width(learner.layout.width)))
    width, gradient = (learner.features + 1, 0.0) if learner.linear else (width, cost.row)
    return rows * (gradient + 0.2e-9 * width**2) + 0.42e-9 * width**3


METHOD = Method(
    known("tangent"),
    cost=lambda _context: 0.0,
    outputs=outputs,
    prepare=prepare,
    seconds=seconds,
    once=once,
    places=_PLACES,
)
