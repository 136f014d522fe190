"""docs/benchmarks-text.md from the cells: the game, the tables, the machine. Says what is missing rather than guess."""

import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import measures, store
from benchmarks.text import compare, game, reference
from worker.engine.estimators.exact import exact_values
from worker.engine.game import all_coalitions

_BUDGETS = (16, 32, 48)
PAGE = store.ROOT / "docs" / "benchmarks-text.md"


def write(seeds: tuple[int, ...]) -> None:
    """Write the page from what was measured for these seeds; raises FileNotFoundError where the exact game is not."""
    parts = [_head(seeds)]
    for seed in seeds:
        parts += [_game(seed), _full(seed), _partial(seed)]
    parts += [_rates(seeds[0]), (Path(__file__).parent / "notes.md").read_text().rstrip()]
    PAGE.write_text("\n\n".join(part for part in parts if part) + "\n")


def _head(seeds: tuple[int, ...]) -> str:
    machine = store.machine()
    named = ", ".join(f"{name} {machine[name]}" for name in ("python", "torch", "numpy"))
    return f"""# Benchmarks: language models

Written by `python -m benchmarks.text`; every figure is from a measurement kept under `.cherish/bench/text`.
Machine: {machine["processor"]}, {machine["cores"]} cores, {machine["memory"]}, no GPU; {named}. Seeds of the game:
{", ".join(map(str, seeds))}. One seed has no spread: take differences of a few hundredths as noise.

A decoder of the Llama family (2 layers, width 128, 4 heads, {_parameters()} parameters, bytes as tokens), trained on
authors who provide nothing; adapters of rank 4 beside every projection, 80 steps of 8 blocks of 128 bytes. Worth is
the mean log-likelihood of a byte on {len(game.AUTHORS)} test domains of {game.TEST_BLOCKS} blocks each. The model is
smaller than the 1 to 3 million parameters that the goal names, so that all coalitions could be trained exactly on
shared cores. Seconds are the processor's, on one thread; "time" is against training the same coalitions anew."""


def _parameters() -> str:
    return f"{sum(array.size for array in reference.base().values()):,}"


def _game(seed: int) -> str:
    evaluator = compare.full_evaluator(seed)
    exact = compare.exact_worths(seed, evaluator)
    n = len(evaluator.players)
    grid = [reference.key(row) for row in evaluator.canonical(all_coalitions(n))]
    values = exact_values(np.array([exact[k] for k in grid]))
    shares = measures.shares(values)
    lines = [
        f"## The game, seed {seed}",
        "",
        f"{len(exact)} distinct coalitions of {n} providers (of {1 << n}: copies are alike), each trained anew in"
        f" {compare.exact_seconds(seed) / len(exact):.1f} s, {compare.exact_seconds(seed):.0f} s in all."
        f" Worth of nobody {evaluator.empty_worth:.4f} (perplexity {np.exp(-evaluator.empty_worth):.2f} per byte),"
        f" of everybody {evaluator.full_worth:.4f} ({np.exp(-evaluator.full_worth):.2f}).",
        "",
        "| provider | blocks | exact value | exact share |",
        "|---|---|---|---|",
    ]
    for i in np.argsort(-values, kind="stable"):
        player = evaluator.players[i]
        lines.append(f"| {player.name} | {player.rows} | {values[i]:.4f} | {100 * shares[i]:.1f} % |")
    return "\n".join(lines)


def _measured(seed: int, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in names if (store.folder() / "text" / f"seed{seed}/method/{name}.json").is_file())


def _full(seed: int) -> str:
    lines = [
        f"## Full mode, seed {seed}",
        "",
        "Against exact retraining; values by enumeration, anchored at both ends. Lines without"
        " correlation are the product's own loop, merge, natural gradient and tangent corrected by retrainings; those"
        " without Spearman were measured on a sample of antithetic pairs: they cost too much for every coalition.",
        "",
        "| method | correlation of worths | Spearman of values | TV of shares | worst share error, points | time |",
        "|---|---|---|---|---|---|",
    ]
    table = compare.rows(seed, _measured(seed, (*compare.CHEAP, *compare.DEAR)))
    for row in [*table, *(compare.corrected(seed, budget) for budget in _BUDGETS)]:
        found = ["", "", ""]
        if np.isfinite(row.spearman):
            found = [f"{row.spearman:.2f}", f"{row.tv:.3f}", f"{row.worst:.1f}"]
        r = f"{row.correlation:.2f}" if np.isfinite(row.correlation) else ""
        cells = [row.name, r, *found, f"{100 * row.share_of_time:.1f} %"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _partial(seed: int) -> str:
    cells: list[dict[str, Any]] = [
        cell["data"] for key, cell in store.cells("text").items() if key.startswith(f"seed{seed}/partial/")
    ]
    if not cells:
        return ""
    lines = [
        f"## Partial mode, seed {seed}",
        "",
        f"{len(cells)} choices of hidden providers; weights and anchor rows only. Correlation of worths with retraining"
        " over all coalitions of the others (everybody left out): mean, and each choice.",
        "",
        "| method | mean | each |",
        "|---|---|---|",
    ]
    for name in cells[0]["methods"]:
        each = [cell["methods"][name][0] for cell in cells]
        lines.append(f"| {name} | {np.mean(each):.2f} | {', '.join(f'{r:.2f}' for r in each)} |")
    return "\n".join(lines)


def _rates(seed: int) -> str:
    """Tokens per second of training and of scoring, from the cells."""
    exact = compare.exact_seconds(seed)
    count = len(list((reference.folder(seed) / "retrain").glob("*[01].npz"))) - 1
    tokens = int(game.ADAPTERS["steps"]) * int(game.ADAPTERS["batch"]) * game.CONTEXT
    evaluator = compare.full_evaluator(seed)
    params = evaluator.context.full.unsqueeze(0)
    rows = evaluator.test_X
    begun = time.process_time()
    for _ in range(5):
        evaluator.learner.scores("log_loss", params, rows)  # type: ignore[attr-defined]  # the game's learner is lm
    scored = 5 * len(rows) * game.CONTEXT / (time.process_time() - begun)
    return f"""## Rates

Adapters are trained at {tokens * count / exact:,.0f} tokens a second and texts scored at {scored:,.0f}, on one thread.
These are the rates that the plan in [text.md](text.md) scales from; no GPU was at hand."""
