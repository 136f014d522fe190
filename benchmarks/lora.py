"""How learner ``lora``'s unlearning methods follow retraining, on games small enough to retrain every coalition.

``python -m benchmarks.lora``: two encoders of random weights (a BERT of width 24, a vision transformer of width 20),
three seeds, six providers of 30 to 80 rows with 0 to 50 % of their labels wrong, 64 coalitions each; in partial mode
two of the providers are hidden. Prints two tables of docs/text.md. It writes nothing and knows no service.
"""

import numpy as np
import torch

from app.checkpoints import families, vision
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.game import all_coalitions
from worker.engine.games.problem import LearnerSpec, PlayerData, Problem, Rows
from worker.engine.tensors import batching

CONTEXT, SIDE = 12, 16
BERT = {
    "architectures": ["BertModel"], "model_type": "bert", "hidden_size": 24, "num_hidden_layers": 2,
    "num_attention_heads": 2, "intermediate_size": 40, "max_position_embeddings": 16, "type_vocab_size": 2,
    "vocab_size": 30,
}  # fmt: skip
VIT = {
    "architecture": "vit_tiny_patch16_224",
    "model_args": {"img_size": SIDE, "patch_size": 8, "embed_dim": 20, "depth": 2, "num_heads": 2},
}
HYPER: dict[str, float | int | str] = {"heads": 2, "rank": 2, "steps": 24, "batch": 16, "lr": 0.005}
KINDS, SEEDS = ("text", "image"), (0, 1, 2)
WRONG = (0.0, 0.1, 0.2, 0.3, 0.5, 0.0)
HIDDEN = ((0, 3), (1, 5))
Found = dict[str, list[float]]


def weights(kind: str, seed: int) -> dict[str, torch.Tensor]:
    """A frozen encoder of random weights."""
    family = families.bert(BERT, "it") if kind == "text" else vision.backbone(VIT, "it")
    rng, found = np.random.default_rng(seed), {}
    for name, shape in family.shapes.items():
        norm = name.endswith(("orm.weight", "norm1.weight", "norm2.weight"))
        found[name] = torch.from_numpy((rng.normal(size=shape) * 0.3 + (1.0 if norm else 0.0)).astype(np.float32))
    return found


def rows(kind: str, count: int, seed: int, wrong: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Texts, two thirds of whose tokens are their class's own, or images, dark or light; a part has wrong labels."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, count)
    if kind == "text":
        X = np.full((count, CONTEXT), -1.0, dtype=np.float32)
        for row, label in enumerate(y):
            length = int(rng.integers(4, CONTEXT + 1))
            own = rng.integers(4, 14, length) + 10 * label
            X[row, :length] = np.where(rng.random(length) < 2 / 3, own, rng.integers(24, 30, length))
    else:
        X = (rng.normal(size=(count, 3, SIDE, SIDE)) + 0.4 * (2 * y - 1)[:, None, None, None]).astype(np.float32)
    return X, np.where(rng.random(count) < wrong, 1 - y, y).astype(np.int64)


def game(kind: str, seed: int, hidden: tuple[int, ...] = (), full: dict[str, np.ndarray] | None = None) -> Problem:
    """Six providers, or in partial mode those that are not hidden, around the model trained on all six."""
    parts = [rows(kind, 30 + 10 * i, 100 * seed + i, wrong) for i, wrong in enumerate(WRONG)]
    frozen = {f"frozen.{name}": array for name, array in weights(kind, seed).items()}
    return Problem(
        players=[PlayerData(f"p{i}", *part) for i, part in enumerate(parts) if i not in hidden],
        test=Rows(*rows(kind, 150, 100 * seed + 99)),
        classes=2,
        learner=LearnerSpec("lora", HYPER),
        metric="log_loss",
        mode="partial" if hidden else "full",
        seed=seed,
        checkpoint={**frozen, **(full or {})},
        unlearning={"hidden_rows": sum(len(parts[i][1]) for i in hidden)} if hidden else {},
    )


def full_mode(evaluator: Evaluator, found: Found) -> None:
    """Correlation of every method's worths with retraining's, the two ends left out."""
    coalitions = all_coalitions(len(WRONG))
    truth = evaluator.worth("retrain", coalitions)[1:-1]
    for source in evaluator.sources:
        if source != "retrain":
            worths = evaluator.worth(source, coalitions)[1:-1]
            found.setdefault(source, []).append(float(np.corrcoef(worths, truth)[0, 1]))


def partial_mode(whole: Evaluator, kind: str, seed: int, hidden: tuple[int, ...], found: Found) -> None:
    """The same where some are hidden and stay in every coalition, on the rows that anchor nothing."""
    full = whole.learner.layout.unpack(whole.context.full)
    evaluator = Evaluator(game(kind, seed, hidden, full))
    coalitions, shown = all_coalitions(len(WRONG) - len(hidden)), [p.name for p in evaluator.players]
    unseen = [f"p{i}" for i in hidden]
    everybody = np.array(
        [[p.name in unseen or bool(row[shown.index(p.name)]) for p in whole.players] for row in coalitions]
    )
    context = whole.context
    with batching.single_threaded():
        models = context.learner.train(context.base, context.pool, everybody, context.seed("retrain"), lambda: None)
        answers = context.learner.logits(models, evaluator.test_X)
    likelihoods = torch.log_softmax(answers.double(), dim=2)
    truth = likelihoods[:, torch.arange(len(evaluator.test_y)), evaluator.test_y].mean(dim=1).numpy()[:-1]
    for source in evaluator.sources:
        worths = evaluator.worth(source, coalitions)[:-1]
        found.setdefault(source, []).append(float(np.corrcoef(worths, truth)[0, 1]))


def table(found: dict[str, Found]) -> str:
    """Means by kind and over both, best first."""
    lines = ["| source | text | images | both |", "|---|---|---|---|"]
    both = {source: np.mean([x for kind in KINDS for x in found[kind][source]]) for source in found[KINDS[0]]}
    for source in sorted(both, key=lambda name: -both[name]):
        each = " | ".join(f"{np.mean(found[kind][source]):.2f}" for kind in KINDS)
        lines.append(f"| {source} | {each} | {both[source]:.2f} |")
    return "\n".join(lines)


def main() -> None:
    full: dict[str, Found] = {kind: {} for kind in KINDS}
    partial: dict[str, Found] = {kind: {} for kind in KINDS}
    for kind in KINDS:
        for seed in SEEDS:
            evaluator = Evaluator(game(kind, seed))
            full_mode(evaluator, full[kind])
            for hidden in HIDDEN:
                partial_mode(evaluator, kind, seed, hidden, partial[kind])
    print(f"Full mode\n\n{table(full)}\n\nPartial mode\n\n{table(partial)}")


if __name__ == "__main__":
    main()
