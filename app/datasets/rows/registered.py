"""A table that stays with its owner, as a job sees it: its columns without a row, and how its agent is to encode it.

What a job's encoding takes from rows (centres, spreads, categories) is the test set's alone, so a table that nobody
here can read is encoded like one that was uploaded. What it would take from providers' rows, fills of missing cells,
must be the test set's too (``FeatureChoice.fills``); what an agent does not read is refused: prose and arrays.
"""

import pyarrow as pa

from app.datasets.readers import table_name
from app.datasets.readers.cells import tidy
from app.datasets.readers.types import is_tensor, is_text
from app.datasets.rows.features import Encoding, Feature
from app.errors import FieldError, InvalidData
from contract.agent_texts import CONTEXTS
from contract.agents import (
    AGENT_FORMAT,
    MOST_WIDTH,
    AnswerRefused,
    AskedColumn,
    AskedEncoding,
    Registration,
    registration_of,
)
from contract.rows.features import FeatureChoice

_TYPES = {"number": pa.float64(), "text": pa.dictionary(pa.int32(), pa.string())}


def read_registration(content: bytes, name: str) -> Registration:
    """What an agent registered; raises InvalidData."""
    try:
        return registration_of(content)
    except AnswerRefused as refusal:
        raise InvalidData(f"{name}: {refusal}") from None


def registered_blocks(registration: Registration, name: str, base: str, context: int) -> int:
    """How many blocks of so many tokens registered documents make on a base; raises InvalidData."""
    texts = registration.texts
    if texts is None:
        raise _refusal("text", f"{name} stays with its owner as a table, which lm does not read; choose another model")
    if (blocks := texts.blocks(base, context)) is not None:
        return blocks
    if base not in {each.digest for each in texts.bases}:
        raise _refusal(
            "text", f"{name} stays with its owner, whose agent has not this base; ask its owner to add it (--base)"
        )
    known = ", ".join(map(str, CONTEXTS))
    raise _refusal(
        "text", f"{name} stays with its owner, whose agent counts blocks of {known} tokens; take such a context"
    )


def registered_table(registration: Registration, name: str, target: str, job_target: str) -> pa.Table:
    """The columns without a row, the label column under the job's name for it."""
    has = {column.name for column in registration.columns}
    renamed = {target: job_target} if target in has and job_target not in has else {}
    fields = [(renamed.get(column.name, column.name), _TYPES[column.kind]) for column in registration.columns]
    return pa.schema(fields, {"cherish.name": name, "cherish.format": AGENT_FORMAT}).empty_table()


def registered_gaps(registration: Registration, choice: FeatureChoice) -> set[str]:
    """The columns, as the job calls them, in which the owner's table has missing cells."""
    new_names = {tidy(old): tidy(new) for old, new in choice.rename.items()}
    gapped = [tidy(column.name) for column in registration.columns if column.gaps]
    return {name for own in gapped for name in (own, new_names.get(own, own))}


def check_fills(encoding: Encoding, choice: FeatureChoice) -> None:
    """Raises InvalidData where missing cells would be filled by rows that stay with their owners."""
    gapped = [feature.name for feature in encoding.features if feature.fill is not None]
    if gapped and choice.fills == "players":
        raise _refusal(
            gapped[0],
            f"`{gapped[0]}` has missing cells in some file of the job, which are filled from all players' rows, and "
            "some of those stay with their owner; fill them by the test set (features.fills: test), or leave the "
            "column out",
        )


def encoding_for_agent(encoding: Encoding, registration: Registration, name: str, target: str) -> AskedEncoding:
    """The job's encoding in the words of the owner's file; raises InvalidData naming the column that an agent cannot
    encode, or that it registered as something else."""
    columns = tuple(_column(feature, encoding, registration, name) for feature in encoding.features)
    own = encoding.target if registration.kind_of(encoding.target) is not None else target
    question = AskedEncoding(
        columns=columns,
        target=own,
        classes=encoding.classes,
        label_map=dict(encoding.label_map),
        scale=None if encoding.target_scale is None else (encoding.target_scale.center, encoding.target_scale.spread),
    )
    if question.width > MOST_WIDTH:
        raise _refusal(
            columns[0].name,
            f"the job's columns encode to {question.width} features, and an agent sends statistics of {MOST_WIDTH} at "
            "most; leave text columns with many categories out (features.leave_out)",
        )
    kind = registration.kind_of(own)
    if kind is None:
        raise _refusal(encoding.target, f"{name} has no column `{encoding.target}`; name a target that it has")
    if question.scale is not None and kind != "number":
        raise _refusal(own, f"{name}: `{own}` is registered as text, and the job predicts it as a number")
    if question.scale is None and not registration.labels:
        raise _refusal(own, f"{name}: its owner registered no labels, so only numbers can be predicted from it")
    return question


def _column(feature: Feature, encoding: Encoding, registration: Registration, name: str) -> AskedColumn:
    theirs = {new: old for old, new in encoding.rename.items()}
    own = feature.name
    if registration.kind_of(own) is None and registration.kind_of(theirs.get(own, "")) is not None:
        own = theirs[own]
    if feature.kind not in ("number", "text"):
        raise _refusal(own, f"{name} stays with its owner, whose agent does not read {feature.kind}; leave `{own}` out")
    kind = registration.kind_of(own)
    if kind != feature.kind:
        raise _refusal(
            own, f"{name}: `{own}` is registered as {kind}, and in the test set it is {feature.kind}; leave it out"
        )
    if encoding.scale != "standard" and feature.kind == "number":
        return AskedColumn(name=own, kind="number", fill=feature.fill)
    return AskedColumn(
        name=own,
        kind=kind,
        center=feature.center,
        spread=feature.spread,
        categories=feature.categories,
        fill=feature.fill,
    )


def check_alike(table: pa.Table, test: pa.Table, choice: FeatureChoice) -> None:
    """Raises InvalidData where a column that the order uses is of another kind in a registered table."""
    unused = {tidy(name) for name in choice.leave_out}
    for name in test.column_names if choice.use is None else map(tidy, choice.use):
        if (
            name in unused
            or name not in test.column_names
            or name not in table.column_names
            or is_tensor(test.schema.field(name).type)
        ):
            continue
        here, there = (is_text(each.schema.field(name).type) for each in (table, test))
        if here != there:
            kinds = {True: "text", False: "numbers"}
            raise _refusal(
                name,
                f"{table_name(table)}: `{name}` is registered as {kinds[here]}, and {table_name(test)} has "
                f"{kinds[there]} there; leave the column out with features.leave_out",
            )


def _refusal(column: str, detail: str) -> InvalidData:
    return InvalidData(detail, errors=[FieldError(column, detail, "schema")])
