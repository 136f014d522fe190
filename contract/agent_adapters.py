"""Models that are trained beside documents: the question for one, and the adapter that answers it.

The base is public to both sides and named by its digest. The agent trains the learner's own adapter (``lm``) on its
blocks, with the seed that the service would train it with, so the answer is what the service would have made of the
same file. On the wire it is a line of JSON and a safetensors file of float32 arrays, whose head follows from the
question; another one is refused, so nothing that came is parsed.
"""

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from contract.agents import PROTOCOL, AnswerHead, AnswerRefused, HexDigest, answer_body
from contract.architectures.adapters import adapter_shapes, placement
from contract.architectures.decoder import ALIGNMENT, DecoderSizes, Shape
from contract.document import Document, canonical_json, digest_of
from contract.errors import InvalidProblem
from contract.learning.learners import LEARNERS, Architecture, Hyper

# numbers of an adapter: 64 megabytes
MOST_ADAPTER = 16_000_000
HyperValue = float | int | str


def decoder_of(hyper: Hyper) -> DecoderSizes:
    """The base's sizes as an order's hyper-parameters say them; raises InvalidProblem."""
    settings = LEARNERS[Architecture.LM].checked(hyper)
    sizes = {each.name: settings[each.name] for each in dataclasses.fields(DecoderSizes)}
    whole = {name: size if name in _FRACTIONS else int(size) for name, size in sizes.items()}
    inner = int(whole["inner"]) or -(-8 * int(whole["width"]) // 3 // ALIGNMENT) * ALIGNMENT
    return DecoderSizes(**whole | {"kv_heads": whole["kv_heads"] or whole["heads"], "inner": inner})  # type: ignore[arg-type]


_FRACTIONS = frozenset(
    {"rope_base", "eps", "rope_factor", "rope_low", "rope_high", "rope_local", "query_scale"}
    | {"attention_cap", "output_cap"}
)


def adapter_of(hyper: Hyper) -> list[tuple[str, Shape]]:
    """Names and shapes of the arrays of an adapter; raises InvalidProblem."""
    sizes = decoder_of(hyper)
    return adapter_shapes(sizes, placement(sizes, LEARNERS[Architecture.LM].checked(hyper)))


def passes(hyper: Hyper, blocks: int) -> float:
    """How often a training goes through so many blocks."""
    settings = LEARNERS[Architecture.LM].checked(hyper)
    return float(settings["steps"]) * float(settings["batch"]) / max(blocks, 1)


class AdapterQuestion(Document):
    """A question for the model of one dataset's documents. ``game`` names the job's game, ``base`` the base's packed
    folder; documents are cut into ``blocks`` blocks of ``context`` tokens, ``seed`` is the game's."""

    protocol: int = PROTOCOL
    dataset: str
    registration: HexDigest
    commitment: HexDigest
    rows: int
    game: HexDigest
    buyer: str
    purpose: str | None
    learner: Literal["lm"] = "lm"
    base: HexDigest
    vocabulary: Annotated[int, Field(ge=2, le=1 << 24)]
    context: Annotated[int, Field(ge=8, le=1 << 20)]
    blocks: Annotated[int, Field(ge=1)]
    hyper: dict[str, HyperValue]
    seed: int

    @model_validator(mode="after")
    def _of_a_bounded_adapter(self) -> "AdapterQuestion":
        try:
            numbers = self.numbers
        except InvalidProblem as fault:
            raise ValueError(str(fault)) from None
        if numbers > MOST_ADAPTER:
            raise ValueError(f"an adapter has at most {MOST_ADAPTER} numbers, and this one {numbers}; lower its rank")
        return self

    @property
    def asks(self) -> str:
        return "adapter"

    @property
    def digest(self) -> str:
        return digest_of(self.plain())

    @property
    def shapes(self) -> dict[str, Shape]:
        """The arrays of the answer, by name."""
        return dict(sorted(adapter_of(self.hyper)))

    @property
    def numbers(self) -> int:
        return sum(math.prod(shape) for _, shape in adapter_of(self.hyper))

    @property
    def answer_bytes(self) -> int:
        """The most that an answer takes on the wire."""
        return 4 * self.numbers + len(_header(self.shapes)) + 4096


def packed_adapter(head: AnswerHead, arrays: Mapping[str, NDArray[np.float32]], question: AdapterQuestion) -> bytes:
    """An answer as it goes over the wire."""
    shapes = question.shapes
    parts = [np.ascontiguousarray(arrays[name], dtype="<f4").tobytes() for name in shapes]
    return b"".join([canonical_json(head.plain()), b"\n", _header(shapes), *parts])


def unpacked_adapter(question: AdapterQuestion, content: bytes) -> dict[str, NDArray[np.float32]]:
    """The adapter that answers this question; raises AnswerRefused where it answers another one, or is none of the
    learner's."""
    mark, body = answer_body(question, content, None, "number of documents")
    shapes = question.shapes
    header = _header(shapes)
    if not mark or not body.startswith(header):
        raise AnswerRefused("the answer is no safetensors file of the arrays that the learner's adapter has")
    numbers = body[len(header) :]
    if len(numbers) != 4 * question.numbers:
        raise AnswerRefused(
            f"the adapter has {len(numbers)} bytes of numbers, and {4 * question.numbers} are asked for"
        )
    arrays, at = {}, 0
    for name, shape in shapes.items():
        size = math.prod(shape)
        arrays[name] = np.frombuffer(numbers, dtype="<f4", count=size, offset=4 * at).astype(np.float32).reshape(shape)
        at += size
        if not np.isfinite(arrays[name]).all():
            raise AnswerRefused(f"array {name} of the adapter holds NaN or infinity")
    return arrays


def _header(shapes: Mapping[str, Shape]) -> bytes:
    """The head of a safetensors file of float32 arrays, one after the other: its length, then JSON, filled up with
    spaces to a multiple of eight."""
    entries, at = {}, 0
    for name, shape in shapes.items():
        end = at + 4 * math.prod(shape)
        entries[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [at, end]}
        at = end
    plain = json.dumps(entries, separators=(",", ":")).encode()
    plain += b" " * (-len(plain) % 8)
    return len(plain).to_bytes(8, "little") + plain
