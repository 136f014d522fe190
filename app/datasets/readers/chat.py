"""Conversations and completions as documents: what language models are tuned on becomes one plain text a record.

``messages`` (a list of objects with ``role`` and ``content``; or ``conversations``, with ``from`` and ``value``)
becomes, for each message, its role, a colon and a space, its content, and a line end; ``prompt`` and ``completion``
become the prompt, a line end, and the completion, or, where both are lists of messages, their messages. A content of
parts is its parts of type ``text``, one after another. A model's own template is not applied, and the loss counts every
token, those of prompts and of users too.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from app.errors import InvalidData
from contract.rows.findings import Finding, Severity

PROMPT, COMPLETION, TEXT = "prompt", "completion", "text"
# lists of messages, and what their messages call who speaks and what is said
CONVERSATIONS = {"messages": ("role", "content"), "conversations": ("from", "value")}
_COUNTED = "the loss counts all of it"


def rendered(record: dict[str, Any], place: str) -> tuple[dict[str, Any], Finding | None]:
    """The record with a ``text`` in place of its messages, or of its prompt and completion; others as they are.

    Raises InvalidData for messages that are none.
    """
    if TEXT in record:
        return record, None
    if (name := next((each for each in CONVERSATIONS if isinstance(record.get(each), list)), None)) is not None:
        rest = {key: value for key, value in record.items() if key != name}
        return {TEXT: _conversation(record[name], name, place), **rest}, _of_messages(name)
    prompt, completion = record.get(PROMPT), record.get(COMPLETION)
    rest = {key: value for key, value in record.items() if key not in (PROMPT, COMPLETION)}
    if isinstance(prompt, str) and isinstance(completion, str):
        return {TEXT: f"{prompt}\n{completion}", **rest}, _of_completions()
    if isinstance(prompt, list) and isinstance(completion, list):
        text = _conversation(prompt, PROMPT, place) + _conversation(completion, COMPLETION, place)
        return {TEXT: text, **rest}, _of_completions()
    return record, None


def columns_of_text(schema: pa.Schema) -> tuple[str, ...]:
    """The columns of a typed table that become its ``text``; none where it has one, or nothing to make it of."""
    kinds = {field.name: field.type for field in schema}
    if TEXT in kinds:
        return ()
    if (name := next((each for each in CONVERSATIONS if _is_list(kinds.get(each))), None)) is not None:
        return (name,)
    pair = [kinds[name] for name in (PROMPT, COMPLETION) if name in kinds]
    if len(pair) == 2 and (all(map(_is_list, pair)) or all(map(_is_text, pair))):
        return (PROMPT, COMPLETION)
    return ()


def texts_of(columns: Sequence[pa.Array], names: Sequence[str], first_row: int, name: str) -> pa.Array:
    """The texts of such columns, a batch of them whose first row has this number; a text is missing where one of its
    columns is. Raises InvalidData for messages that are none."""
    texts: list[str | None] = []
    for at, values in enumerate(zip(*(column.to_pylist() for column in columns), strict=True)):
        record = dict(zip(names, values, strict=True))
        made: Mapping[str, Any] = {} if None in values else rendered(record, f"{name}: row {first_row + at}")[0]
        texts.append(made.get(TEXT))
    return pa.array(texts, pa.string())


def finding_of(names: Sequence[str]) -> Finding:
    """What is said where these columns became texts."""
    return _of_completions() if names[0] == PROMPT else _of_messages(names[0])


def _is_list(kind: pa.DataType | None) -> bool:
    return kind is not None and bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))


def _is_text(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _conversation(messages: Sequence[Any], name: str, place: str) -> str:
    who, what = CONVERSATIONS.get(name, CONVERSATIONS["messages"])
    return "".join(_line(message, who, what, name, place) for message in messages)


def _line(message: Any, who: str, what: str, name: str, place: str) -> str:
    role = message.get(who) if isinstance(message, dict) else None
    content = _content(message.get(what)) if isinstance(message, dict) else None
    if not isinstance(role, str) or content is None:
        raise InvalidData(
            f'{place}: `{name}` is a list of objects like {{"{who}": "user", "{what}": "..."}} with a text each; '
            "this one has another, write it so"
        )
    return f"{role}: {content}\n"


def _content(content: Any) -> str | None:
    """The text that a message says; None where it is none."""
    if isinstance(content, list):
        parts = [each[TEXT] for each in content if isinstance(each, dict) and each.get("type") == TEXT and TEXT in each]
        texts = [part for part in parts if isinstance(part, str)]
        return "".join(texts) if len(texts) == len(content) else None
    return content if isinstance(content, str) else None


def _of_messages(name: str) -> Finding:
    return _finding(f"`{name}` is read as text, a line `role: content` a message; {_COUNTED}")


def _of_completions() -> Finding:
    return _finding(f"`prompt` and `completion` are read as one text, a line end between them; {_COUNTED}")


def _finding(detail: str) -> Finding:
    return Finding(code="rendered_as_text", severity=Severity.NOTE, detail=detail)
