"""``cherish royalties``: which providers each answer of a language model leaned on.

It reads a result of ``cherish value --model lm``, trains each provider's own model again from its files (which the job
did, too), and then says of each answer what each provider's model adds. An answer takes a pass through each model.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from app.cli.output import console_beside, write_document
from app.cli.proving.verify import read_result
from app.cli.tables import print_table
from app.cli.valuing.local import evaluator_of
from app.cli.valuing.request import engine_errors, parse_model, parse_providers
from app.cli.valuing.text import CONTEXT
from app.datasets.rows.corpora import blocks_of
from app.errors import InvalidInput
from contract.rows.token_blocks import tokens_of

if TYPE_CHECKING:
    from app.datasets.rows.tokens import Encode
    from worker.engine.royalties import Royalty, TokenAnswer

FORMAT = "cherish-royalties-1"


def register(app: typer.Typer) -> None:
    app.command()(royalties)


def royalties(
    result: Annotated[Path, typer.Argument(help="A result of `cherish value --model lm`, written with --json.")],
    answers: Annotated[
        Path, typer.Argument(help='JSON lines, each {"prompt": "...", "answer": "..."}; a prompt may be missing.')
    ],
    provider: Annotated[
        list[str] | None, typer.Option("--provider", help="NAME=FILE; the files, where they are elsewhere now.")
    ] = None,
    json_path: Annotated[
        Path | None, typer.Option("--json", help="Where to write each answer's values; - is standard output.")
    ] = None,
) -> None:
    """Say which providers a language model's answers leaned on, without training for any answer."""
    from worker.engine.royalties import royalties as of_answers
    from worker.loading.model_folders import read_base

    stored = read_result(result)
    request = stored.request
    if request.base is None or parse_model(request.model)[0] != "lm":
        raise InvalidInput(f"{result}: its model is {request.model}; answers are of lm, so give a result of one")
    base = Path(request.base)
    if provider:
        request = replace(request, providers=parse_providers(provider))
    said = read_answers(answers)
    console = console_beside(json_path)
    context = int(parse_model(request.model)[1].get("context", CONTEXT))
    with engine_errors(), console.status("Training each provider's model ..."):
        encode = read_base(base).encode
        evaluator, _ = evaluator_of(request, 1)
        evaluator.prepare()
        by_answer = of_answers(evaluator, [answer_of(*each, context, encode) for each in said], request.seed)
    names = [player.name for player in evaluator.players]
    if json_path is not None:
        write_document((json.dumps(as_json(names, by_answer), indent=1) + "\n").encode(), json_path, console)
    rows = []
    total, led = together(by_answer), np.argmax([each.values for each in by_answer], axis=1)
    for at in np.argsort(-total.values).tolist():
        cells = f"{total.values[at]:.5f}", f"{100 * total.shares[at]:.2f} %", str(int((led == at).sum()))
        rows.append((names[at], *cells))
    print_table(console, ("provider", "nats a token", "share", "answers led"), rows)
    console.print(
        f"{len(by_answer)} answers of {total.tokens} tokens; the providers' data makes a token of them "
        f"{total.gain:.4f} nats likelier than the base model does.",
        soft_wrap=True,
    )


def read_answers(path: Path) -> list[tuple[str, str]]:
    """Prompts and answers of a file of JSON lines; raises InvalidInput naming the line."""
    if not path.is_file():
        raise InvalidInput(f"{path}: there is no such file; check the path")
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            plain = json.loads(line)
            pair = str(plain.get("prompt") or ""), plain["answer"]
        except (ValueError, KeyError, AttributeError):
            raise InvalidInput(
                f'{path}, line {number}: write {{"prompt": "...", "answer": "..."}} on a line of its own'
            ) from None
        if not isinstance(pair[1], str) or not pair[1]:
            raise InvalidInput(f"{path}, line {number}: the answer is no text, or empty; leave the line out")
        found.append(pair)
    if not found:
        raise InvalidInput(f"{path}: it has no answers; write one on each line")
    return found


def answer_of(prompt: str, answer: str, context: int, encode: "Encode | None") -> "TokenAnswer":
    """A prompt and its answer in the blocks that the model reads. A first token that nothing precedes counts for
    nobody."""
    from worker.engine.royalties import TokenAnswer

    before, own = (tokens_of(text, encode) if text else np.empty(0, dtype=np.int64) for text in (prompt, answer))
    tokens = np.concatenate([before, own])
    (X,) = blocks_of([tokens], context, "an answer")
    following = np.arange(X.shape[0] * context) + 1
    said = (following >= len(before)) & (following < len(tokens))
    return TokenAnswer(X, said.reshape(len(X), context))


def together(by_answer: "Sequence[Royalty]") -> "Royalty":
    """All answers as one, each of their tokens counting alike."""
    from contract.results.shares import shares_of
    from worker.engine.royalties import Royalty

    tokens = np.array([each.tokens for each in by_answer], dtype=np.float64)
    values = tokens @ np.array([each.values for each in by_answer]) / tokens.sum()
    gain = float(tokens @ np.array([each.gain for each in by_answer]) / tokens.sum())
    return Royalty(values, shares_of(values), gain, int(tokens.sum()))


def as_json(names: Sequence[str], by_answer: "Sequence[Royalty]") -> dict[str, Any]:
    """Every answer's values as plain data; values of an answer sum to its gain."""

    def plain(each: "Royalty") -> dict[str, Any]:
        return {
            "tokens": each.tokens,
            "gain": each.gain,
            "values": dict(zip(names, each.values.tolist(), strict=True)),
            "shares": dict(zip(names, each.shares.tolist(), strict=True)),
        }

    return {"format": FORMAT, "answers": [plain(each) for each in by_answer], "together": plain(together(by_answer))}
