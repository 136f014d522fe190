"""What attributing an answer costs beside generating it: ``python -m benchmarks.royalty_costs``.

Random adapters on a random base: what a pass costs does not depend on what was learnt. Generating takes one pass of the
model of everybody for each token, over all that was said so far; or, as a server does that keeps keys and values, over
the new token alone: here without its attention to what is kept, so less than any server needs. Attributing is one pass
over prompt and answer of every provider's model: one after the other, all stacked, or stacked with sixteen answers at
once. Seconds of one processor, medians. ``--count`` times nothing and counts the tokens that are passed.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch

from worker.engine.games.problem import LearnerSpec
from worker.engine.learners import make_learner
from worker.engine.learners.causal_lm import LanguageModel
from worker.engine.royalties import AloneModels, TokenAnswer, royalties_of
from worker.engine.tensors import batching
from worker.engine.tensors.layout import aligned

PROMPT, TOGETHER = 16, 16
SIZES = {
    "1 layer, width 32, 20 tokens": ({"layers": 1, "width": 32, "heads": 4}, 20),
    "4 layers, width 128, 256 tokens": ({"layers": 4, "width": 128, "heads": 4}, 256),
}


def models(shape: dict[str, float], vocabulary: int, context: int, players: int) -> AloneModels:
    bare = make_learner(LearnerSpec("lm", {**shape, "rank": 0}), (context + 1,), vocabulary)
    learner = LanguageModel({**shape, "rank": 4}, (context + 1,), vocabulary, bare.layout.unpack(bare.start(0)))
    base = learner.start(0)
    noise = torch.randn(players, learner.layout.width, generator=torch.Generator().manual_seed(1))
    return AloneModels(learner, base, base + 0.05 * noise, range(players), np.full(players, 20.0))


def generated(alone: AloneModels, X: torch.Tensor, tokens: int) -> None:
    """Greedy tokens of one answer, a pass for each over the blocks' beginning, in multiples of eight."""
    with torch.no_grad(), batching.single_threaded():
        for place in range(PROMPT - 1, PROMPT - 1 + tokens):
            wide = aligned(place + 1, 8)
            told = alone.learner.logits(alone.models[:1], X[:, : wide + 1])
            X[0, place + 1] = float(told[0, 0, place].argmax())


def generated_with_kept(alone: AloneModels, X: torch.Tensor, tokens: int) -> None:
    """The same as if keys and values were kept: the prompt once, then a pass of one token each."""
    with torch.no_grad(), batching.single_threaded():
        alone.learner.logits(alone.models[:1], X[:, : PROMPT + 1])
        for place in range(PROMPT, PROMPT - 1 + tokens):
            alone.learner.logits(alone.models[:1], X[:, place : place + 2]).argmax()


def seconds(work: Callable[[], object], repeats: int) -> float:
    taken = []
    for _ in range(repeats):
        begun = time.process_time()
        work()
        taken.append(time.process_time() - begun)
    return float(np.median(taken))


def costs(shape: dict[str, float], vocabulary: int, players: int, tokens: int, repeats: int) -> list[float]:
    """Parts of generating without a cache: one model after the other, stacked, and stacked with sixteen answers at
    once; the latter two also of generating with kept keys and values."""
    context = aligned(PROMPT + tokens, 8)
    alone = models(shape, vocabulary, context, players)
    rng = np.random.default_rng(0)
    said = (np.arange(context) >= PROMPT - 1) & (np.arange(context) < PROMPT - 1 + tokens)
    blocks = rng.integers(0, vocabulary, (TOGETHER, 1, context + 1)).astype(np.float32)
    answers = [TokenAnswer(block, said[None, :]) for block in blocks]
    whole = seconds(lambda: generated(alone, torch.from_numpy(blocks[0].copy()), tokens), repeats)
    kept = seconds(lambda: generated_with_kept(alone, torch.from_numpy(blocks[0].copy()), tokens), repeats)
    stacked = seconds(lambda: royalties_of(alone, answers[:1]), repeats)
    together = seconds(lambda: royalties_of(alone, answers), repeats) / TOGETHER
    single = seconds(lambda: royalties_of(alone, answers[:1], at_once=1), repeats)
    return [single / whole, stacked / whole, together / whole, stacked / kept, together / kept]


def counted(players: int, tokens: int) -> tuple[float, float]:
    """Tokens that are passed through a model to attribute an answer, of those to generate it: without a cache of keys
    and values, and with one."""
    first, last = PROMPT - 1, PROMPT - 1 + tokens
    attributing = (players + 1) * aligned(last, 8)
    return attributing / sum(aligned(place + 1, 8) for place in range(first, last)), attributing / (last + 1)


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.royalty_costs")
    parser.add_argument("--count", action="store_true", help="count tokens, and time nothing")
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    if given.count:
        print("| providers | tokens | without a cache | with one |")
        print("|---" * 4 + "|")
        for players in (4, 8):
            for tokens in (12, 64, 256):
                without, cached = counted(players, tokens)
                print(f"| {players} | {tokens} | {without:.3f} | {cached:.1f} |")
        return
    columns = ["one after the other", "stacked", "16 answers", "stacked, of cached", "16 answers, of cached"]
    print("| model | providers | tokens | " + " | ".join(columns) + " |")
    print("|---" * (3 + len(columns)) + "|")
    for name, (shape, vocabulary) in SIZES.items():
        for players in (4, 8):
            for tokens in (32, 128, 512):
                cells = costs(shape, vocabulary, players, tokens, given.repeats)
                told = " | ".join(f"{each:.3f}" for each in cells)
                print(f"| {name} | {players} | {tokens} | {told} |", flush=True)


if __name__ == "__main__":
    main()
