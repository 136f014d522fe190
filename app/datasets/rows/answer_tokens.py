"""Prompts and answers of a language model as token numbers. No torch here; a buyer's tokenizer is read in the sandbox.

A prompt and its answer are tokenised apart, so that it is known which tokens are the answer's.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.datasets.rows.corpora import tokens_of
from app.datasets.rows.tokens import Encode, load_tokenizer
from contract.results.attributions import AskedAnswers, TokenisedAnswer

Texts = Sequence[tuple[str, str]]


def answer(question: dict[str, Any]) -> dict[str, Any]:
    """The tokens of a question's ``texts``, pairs of prompt and answer, by the tokenizer at its ``path``; in the
    sandbox."""
    encode = load_tokenizer(Path(question["path"]), question["name"]).encode
    return tokenised([(prompt, said) for prompt, said in question["texts"]], encode).plain()


def tokenised(texts: Texts, encode: Encode | None) -> AskedAnswers:
    """Pairs of prompt and answer as tokens; bytes where there is no tokenizer."""
    answers = []
    for prompt, said in texts:
        before, own = (tokens_of(text, encode).tolist() if text else [] for text in (prompt, said))
        answers.append(TokenisedAnswer(tokens=(*before, *own), before=len(before)))
    return AskedAnswers(answers=tuple(answers))
