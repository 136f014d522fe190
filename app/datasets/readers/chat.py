"""Conversations and completions as documents: what language models are tuned on becomes one plain text a record.

``messages`` (a list of objects with ``role`` and ``content``) becomes, for each message, its role, a colon and a space,
its content, and a line end; ``prompt`` and ``completion`` become the prompt, a line end, and the completion. A model's
own template is not applied, and the loss counts every token, those of prompts and of users too.
"""

from typing import Any

from app.errors import InvalidData
from contract.findings import Finding, Severity

MESSAGES, PROMPT, COMPLETION, TEXT = "messages", "prompt", "completion", "text"
_COUNTED = "the loss counts all of it"


def rendered(record: dict[str, Any], place: str) -> tuple[dict[str, Any], Finding | None]:
    """The record with a ``text`` in place of its messages, or of its prompt and completion; others as they are.

    Raises InvalidData for messages that are none.
    """
    if TEXT in record:
        return record, None
    if isinstance(record.get(MESSAGES), list):
        text = "".join(_line(message, place) for message in record[MESSAGES])
        rest = {key: value for key, value in record.items() if key != MESSAGES}
        detail = f"`messages` is read as text, a line `role: content` a message; {_COUNTED}"
        return {TEXT: text, **rest}, _finding(detail)
    if isinstance(record.get(PROMPT), str) and isinstance(record.get(COMPLETION), str):
        rest = {key: value for key, value in record.items() if key not in (PROMPT, COMPLETION)}
        detail = f"`prompt` and `completion` are read as one text, a line end between them; {_COUNTED}"
        return {TEXT: f"{record[PROMPT]}\n{record[COMPLETION]}", **rest}, _finding(detail)
    return record, None


def _line(message: Any, place: str) -> str:
    role = message.get("role") if isinstance(message, dict) else None
    content = message.get("content") if isinstance(message, dict) else None
    if not isinstance(role, str) or not isinstance(content, str):
        raise InvalidData(
            f'{place}: `messages` is a list of objects like {{"role": "user", "content": "..."}} with a text each; '
            "this one has another, write it so"
        )
    return f"{role}: {content}\n"


def _finding(detail: str) -> Finding:
    return Finding(code="rendered_as_text", severity=Severity.NOTE, detail=detail)
