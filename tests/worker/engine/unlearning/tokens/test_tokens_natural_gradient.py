"""One direction for each content, around M_full in every mode; copies share theirs to the last bit."""

import torch

from worker.engine.games.game import all_coalitions
from worker.engine.unlearning.sequences import row_gradients
from worker.engine.unlearning.tokens import natural_gradient

COALITIONS = all_coalitions(4)[[3, 14, 15]]


def test_directions_are_added_and_grow_with_the_part_that_is_forgotten(language) -> None:
    directions = natural_gradient.directions(language)
    models = natural_gradient.unlearn(language, COALITIONS)
    for model, kept in zip(models, COALITIONS, strict=True):
        grown = len(language.pool) / int(language.pool.row_counts(kept[None])[0])
        expected = language.full + grown * directions[torch.from_numpy(~kept)].sum(0)
        assert torch.allclose(model, expected, atol=1e-6)
    assert torch.equal(models[2], language.full)


def test_copies_share_one_direction(language) -> None:
    by_digest: dict[str, torch.Tensor] = {}
    for player, direction in zip(language.problem.players, natural_gradient.directions(language), strict=True):
        assert torch.equal(by_digest.setdefault(player.digest, direction), direction)
    assert len(by_digest) == 3


def test_with_much_damping_a_direction_is_its_player_s_gradient(languages) -> None:
    context = languages(unlearning={"natural_gradient.damping": 1e6})
    for (a, b), direction in zip(context.pool.spans, natural_gradient.directions(context), strict=True):
        gradient = torch.cat(list(row_gradients(context, context.full, context.pool.X[a:b]))).sum(0)
        assert float(torch.nn.functional.cosine_similarity(direction, gradient, dim=0)) > 0.999


def test_hidden_rows_make_the_same_forgetting_a_smaller_step(languages) -> None:
    moved = []
    for hidden in (0, 5_000):
        context = languages(mode="partial", unlearning={"hidden_rows": hidden})
        moved.append(float((natural_gradient.unlearn(context, COALITIONS[:1])[0] - context.full).norm()))
    assert moved[1] < 0.1 * moved[0]
