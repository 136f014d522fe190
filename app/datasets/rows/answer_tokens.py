"""Prompts and answers of a language model as token numbers. No torch here; a buyer's tokenizer is read in the sandbox.

A prompt and its answer are tokenised apart, so that it is known which tokens are the answer's.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.datasets.rows.tokens import Encode, load_tokenizer
from contract.document import Document
from contract.results.attributions import AskedAnswers, TokenisedAnswer
from contract.rows.token_blocks import tokens_of

Texts = Sequence[tuple[str, str]]


class TextsQuestion(Document):
    """What the sandbox is asked: pairs of prompt and answer, and the file of the tokenizer."""

    task: str
    name: str
    path: str
    texts: tuple[tuple[str, str], ...]


def answer(plain: dict[str, Any]) -> dict[str, Any]:
    """The tokens of a question's texts by its tokenizer; in the sandbox."""
    question = TextsQuestion.read(plain)
    return tokenised(question.texts, load_tokenizer(Path(question.path), question.name).encode).plain()


def tokenised(texts: Texts, encode: Encode | None) -> AskedAnswers:
    """Pairs of prompt and answer as tokens; bytes where there is no tokenizer."""
    answers = []
    for prompt, said in texts:
        before, own = (tokens_of(text, encode).tolist() if text else [] for text in (prompt, said))
        answers.append(TokenisedAnswer(tokens=(*before, *own), before=len(before)))
    return AskedAnswers(answers=tuple(answers))
