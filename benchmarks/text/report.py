"""docs/benchmarks-text.md from the cells: the game, the tables, the machine. Says what is missing rather than guess."""

import time
from pathlib import Path

import numpy as np

from benchmarks import measures, store
from benchmarks.text import compare, game, reference

_AGAIN = "retraining again"
PAGE = store.ROOT / "docs" / f"benchmarks-{game.CELLS}.md"
_NOTES = Path(__file__).parent / f"notes{game.CELLS.removeprefix('text')}.md"


def write(seeds: tuple[int, ...]) -> None:
    """Write the page from what was measured for these seeds."""
    whole = tuple(seed for seed in seeds if reference.is_whole(seed))
    parts = [_head(seeds, whole), *(_game(seed) for seed in whole), _full(whole), _intervals(whole), _partial(seeds)]
    parts += [_rates(seeds[0]), _NOTES.read_text().rstrip()]
    PAGE.write_text("\n\n".join(part for part in parts if part) + "\n")


def _head(seeds: tuple[int, ...], whole: tuple[int, ...]) -> str:
    machine = store.machine()
    named = ", ".join(f"{name} {machine[name]}" for name in ("python", "torch", "numpy"))
    told = ", ".join(map(str, seeds)) + (
        "" if whole == seeds else f"; all coalitions were trained for {', '.join(map(str, whole)) or 'none of them'}"
    )
    return f"""# {game.GAME.title}

Written by `python -m benchmarks.text`; every figure is from a measurement kept under `{game.CELLS}` in `CHERISH_BENCH`.
Machine: {machine["processor"]}, {machine["cores"]} cores, {machine["memory"]}, no GPU; {named}. Seeds of the game:
{told}.

A decoder of the Llama family ({game.SHAPE["layers"]} layers, width {game.SHAPE["width"]}, {game.SHAPE["heads"]} heads,
{_parameters()} parameters, bytes as tokens), trained on authors who provide nothing; adapters of rank 4 beside every
projection, {game.STEPS} steps of {game.BATCH} blocks of {game.CONTEXT} bytes. Worth is the mean log-likelihood of a
byte on {len(game.GAME.texts)} test domains of {game.TEST_BLOCKS} blocks each. Seconds are the processor's, on one
thread; "time" is against training and scoring the same coalitions anew."""


def _parameters() -> str:
    return f"{sum(array.size for array in reference.base().values()):,}"


def _game(seed: int) -> str:
    evaluator = compare.full_evaluator(seed)
    exact = compare.exact_worths(seed)
    n = len(evaluator.players)
    values = compare.values_of(seed, exact)
    shares = measures.shares(values)
    lines = [
        f"## The game, seed {seed}",
        "",
        f"{len(exact)} distinct coalitions of {n} providers{_of(n)}, each trained anew in"
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


def _of(providers: int) -> str:
    return f" (of {1 << providers}: copies are alike)" if game.GAME.copies else ""


def _measured(seed: int, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in names if (store.folder() / game.CELLS / f"seed{seed}/method/{name}.json").is_file())


def _full(seeds: tuple[int, ...]) -> str:
    if not seeds:
        return ""
    by_name: dict[str, list[compare.Row]] = {}
    for seed in seeds:
        table = compare.rows(seed, _measured(seed, (*compare.CHEAP, *compare.DEAR)))
        again = [compare.floor(seed)] if reference.is_whole(seed, compare.AGAIN) else []
        for row in [*table, *(compare.corrected(seed, budget) for budget in compare.BUDGETS), *again]:
            by_name.setdefault(row.name, []).append(row)
    lines = [
        f"## Full mode, seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}",
        "",
        "Against exact retraining, mean ± standard deviation over seeds; values by enumeration, anchored at both ends."
        f" Lines without correlation are the product's own loop, {' and '.join(compare.LOOP)} corrected by"
        " retrainings; those without Spearman were measured on a sample of antithetic pairs, too dear for all."
        " Retraining again, with another seed, is how near to one retraining anything can be expected to come.",
        "",
        "| method | correlation of worths | Spearman of values | TV of shares | worst error, points | time | seeds |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, rows in by_name.items():
        cells = [
            _spread([row.correlation for row in rows], 2),
            _spread([row.spearman for row in rows], 2),
            _spread([row.tv for row in rows], 3),
            _spread([row.worst for row in rows], 1),
            f"{100 * np.mean([row.share_of_time for row in rows]):.1f} %",
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + f" | {len(rows)} |")
    return "\n".join(lines)


def _intervals(seeds: tuple[int, ...]) -> str:
    if not seeds:
        return ""
    lines = [
        "## Intervals",
        "",
        f"The loop under {compare.JOBS} seeds of the job on each seed of the game: how many of its 95 % intervals hold"
        " the exact share, and their mean width in points. From 24 on, six of the retrainings are second ones of the"
        " same coalitions with another seed, by which the noise of training is in the intervals.",
        "",
        "| retrainings | " + " | ".join(f"seed {seed}: hold, width" for seed in seeds) + " |",
        "|---|" + "---|" * len(seeds),
    ]
    for budget in compare.BUDGETS:
        told = (compare.loop(seed, budget) for seed in seeds)
        cells = " | ".join(f"{100 * cell['held']:.0f} %, {cell['width']:.1f}" for cell in told)
        lines.append(f"| {budget} | {cells} |")
    return "\n".join(lines)


def _spread(values: list[float], digits: int) -> str:
    found = measures.spread(values)
    return found.text(digits) if found.count else ""


def _partial(seeds: tuple[int, ...]) -> str:
    found: dict[tuple[str, str], list[float]] = {}
    for key, cell in store.cells(game.CELLS).items():
        seed, kind, *rest = key.split("/")
        if int(seed.removeprefix("seed")) in seeds and kind in ("partial", "again"):
            name, r = (rest[1], cell["data"]["r"]) if kind == "partial" else (_AGAIN, cell["data"]["again"])
            found.setdefault((name, rest[0]), []).append(r)
    choices = ["+".join(hidden) for hidden in game.GAME.hidden]
    if not found:
        return ""
    lines = [
        "## Partial mode",
        "",
        "Some providers are hidden: weights and anchor rows only. Correlation of worths with retraining over all"
        " coalitions of the others (everybody left out; of copies the first), mean ± standard deviation over seeds. The"
        " last line is retraining with another seed, where it was measured; who knew the expected worth would correlate"
        " by the square root of that.",
        "",
        "| method | mean | lowest | " + " | ".join(f"without {each.replace('+', ', ')}" for each in choices) + " |",
        "|---|---|---|" + "---|" * len(choices),
    ]
    for name in (*compare.PARTIAL, _AGAIN):
        every = [r for (of, _), each in found.items() if of == name for r in each]
        if every:
            told = " | ".join(_spread(found.get((name, choice), []), 2) for choice in choices)
            lines.append(f"| {name} | {np.mean(every):.2f} | {min(every):.2f} | {told} |")
    return "\n".join(lines)


def _rates(seed: int) -> str:
    """Tokens per second of training and of scoring, from the cells."""
    spent, count = 0.0, 0
    for path in reference.place(seed, "retrain").glob("*1*.npz"):
        with np.load(path, allow_pickle=False) as stored:
            spent, count = spent + float(stored["seconds"]), count + 1
    tokens = game.STEPS * game.BATCH * game.CONTEXT
    evaluator = compare.full_evaluator(seed)
    params = evaluator.context.full.unsqueeze(0)
    rows = evaluator.test_X
    begun = time.process_time()
    for _ in range(5):
        evaluator.learner.scores("log_loss", params, rows)  # type: ignore[attr-defined]  # the game's learner is lm
    scored = 5 * len(rows) * game.CONTEXT / (time.process_time() - begun)
    return f"""## Rates

Adapters are trained at {tokens * count / spent:,.0f} tokens a second and texts scored at {scored:,.0f}, one thread."""
