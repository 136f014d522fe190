"""docs/benchmarks-text.md from the cells: the game, the tables, the machine. Says what is missing rather than guess."""

import time
from pathlib import Path

import numpy as np

from benchmarks import marks, measures, store
from benchmarks.report.cells import grid
from benchmarks.text import compare, game, reference

_AGAIN = "retraining again"
_FIRST = game.CELLS == "text"
PAGE = store.ROOT / "docs" / f"benchmarks-{game.CELLS}.md"
_NOTES = Path(__file__).parent / f"notes{game.CELLS.removeprefix('text')}.md"


def write(seeds: tuple[int, ...]) -> None:
    """Write the page from what was measured for these seeds."""
    whole = tuple(seed for seed in seeds if reference.is_whole(seed))
    parts = [_head(seeds, whole), _games(whole), _full(whole), _intervals(whole), _partial(seeds)]
    parts += [_rates(seeds[0]), _NOTES.read_text().rstrip()]
    PAGE.write_text("\n\n".join(part for part in parts if part) + "\n")
    marks.fill(marks.PROVENANCE, game.CELLS, _provenance())


def _provenance() -> str:
    machine = store.machine()
    named = ", ".join(f"{name} {machine[name]}" for name in ("python", "torch", "numpy"))
    return f"- Machine: {machine['processor']}, {machine['cores']} cores, {machine['memory']}; {named}; no GPU."


def _head(seeds: tuple[int, ...], whole: tuple[int, ...]) -> str:
    shown = ", ".join(map(str, seeds)) + (
        "" if whole == seeds else f"; all coalitions were trained for {', '.join(map(str, whole)) or 'none of them'}"
    )
    chosen = "" if _FIRST else "CHERISH_TEXT_GAME=alike "
    head = f"""# {game.GAME.title}

`{chosen}python -m benchmarks.text` writes this page from measurements kept under `{game.CELLS}` in `CHERISH_BENCH`.
Seeds of the game: {shown}. Machine and caveats: [benchmarks-provenance.md](benchmarks-provenance.md)."""
    if not _FIRST:
        return f"""{head}

Model, columns and modes are those of [benchmarks-text.md](benchmarks-text.md), with {len(game.GAME.texts)} test
domains."""
    return f"""{head}

The model is a decoder of the Llama family ({game.SHAPE["layers"]} layers, width {game.SHAPE["width"]},
{game.SHAPE["heads"]} heads, {_parameters()} parameters, bytes as tokens), trained on authors who provide nothing.
Adapters of rank 4 beside every projection take {game.STEPS} steps of {game.BATCH} blocks of {game.CONTEXT} bytes. Worth
is the mean log-likelihood of a byte on {len(game.GAME.texts)} test domains of {game.TEST_BLOCKS} blocks each. Seconds
are processor time on one thread; "time" is next to training and scoring the same coalitions anew."""


def _explained(text: str) -> list[str]:
    """What a table's columns mean, on the first page alone; the other page refers to it."""
    return [text, ""] if _FIRST else []


def _parameters() -> str:
    return f"{sum(array.size for array in reference.base().values()):,}"


def _games(seeds: tuple[int, ...]) -> str:
    """What each seed's game is: its ends, what retraining it took, and each provider's exact value and share."""
    if not seeds:
        return ""
    ends, cells, blocks = [], {}, {}
    for seed in seeds:
        evaluator = compare.full_evaluator(seed)
        exact = compare.exact_worths(seed)
        values = compare.values_of(seed, exact)
        for player, value, share in zip(evaluator.players, values, measures.shares(values), strict=True):
            blocks[player.name] = str(player.rows)
            cells[player.name, seed] = f"{value:.4f}, {100 * share:.1f} %"
        seconds = compare.exact_seconds(seed)
        worths = [f"{worth:.4f} ({np.exp(-worth):.2f})" for worth in (evaluator.empty_worth, evaluator.full_worth)]
        ends.append([str(seed), f"{seconds / len(exact):.1f}", f"{seconds:.0f}", *worths])
    head = ["seed", "one retraining, s", "all, s", "worth of the empty coalition", "of the full one"]
    providers = [[name, count, *(cells[name, seed] for seed in seeds)] for name, count in sorted(blocks.items())]
    return f"""## The game

{len(exact)} distinct coalitions of {len(blocks)} providers{_of(len(blocks))}, each trained anew. In brackets:
perplexity per byte.

{grid(head, ends)}

Exact value and share of each provider:

{grid(["provider", "blocks", *(f"seed {seed}" for seed in seeds)], providers)}"""


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
        *_explained(
            "Against exact retraining, mean ± standard deviation over seeds; values by enumeration, anchored at "
            f"both ends. Rows without r are the service's own loop, {' and '.join(compare.LOOP)} corrected by "
            "retrainings. Rows without Spearman were measured on a sample of antithetic pairs. *Retraining "
            "again*, with another seed, shows how near to one retraining a method can be expected to come."
        ),
        "| method | r of worths | Spearman of values | TV of shares | worst error, points | time, % | seeds |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, rows in by_name.items():
        cells = [
            _spread([row.correlation for row in rows], 2),
            _spread([row.spearman for row in rows], 2),
            _spread([row.tv for row in rows], 3),
            _spread([row.worst for row in rows], 1),
            f"{100 * np.mean([row.share_of_time for row in rows]):.1f}",
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + f" | {len(rows)} |")
    return "\n".join(lines)


def _intervals(seeds: tuple[int, ...]) -> str:
    if not seeds:
        return ""
    lines = [
        "## Intervals",
        "",
        *_explained(
            f"The loop under {compare.JOBS} job seeds on each seed of the game: how many of its 95 % intervals "
            "hold the exact share, and their mean width in points. From 24 retrainings on, six repeat coalitions "
            "with another seed, so that the noise of training is in the intervals."
        ),
        "| retrainings | " + " | ".join(f"seed {seed}: hold, width" for seed in seeds) + " |",
        "|---|" + "---|" * len(seeds),
    ]
    for budget in compare.BUDGETS:
        loops = (compare.loop(seed, budget) for seed in seeds)
        cells = " | ".join(f"{100 * cell['held']:.0f} %, {cell['width']:.1f}" for cell in loops)
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
        *_explained(
            "Some providers are hidden: only the weights and anchor rows are known. Correlation of worths with "
            "retraining over all coalitions of the others (without the full one; of copies the first), mean ± "
            "standard deviation over seeds. *Retraining again* is with another seed, where it was measured; the "
            "expected worth itself would correlate by the square root of that."
        ),
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
        evaluator.worths_of_models(params)
    scored = 5 * len(rows) * game.CONTEXT / (time.process_time() - begun)
    return f"""## Rates

Adapters are trained at {tokens * count / spent:,.0f} tokens a second and texts scored at {scored:,.0f}, one thread."""
