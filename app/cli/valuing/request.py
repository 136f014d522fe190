"""What ``cherish value`` and ``cherish verify`` are asked: options read into one request, which a result carries along.

It also says the engine's refusals as the command line's. It reads no file but a checkpoint's, and the engine is
imported inside functions, so that other commands do not load torch.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from app.datasets import readings
from app.errors import InvalidInput
from contract.learning.learners import LEARNERS, predicted
from contract.metrics import METRICS, Predicts
from contract.names import unknown
from contract.rows.features import FeatureChoice
from contract.rows.files import Reading
from contract.rows.reading import MISSING_LABELS, TARGET_IS, TargetIs


@dataclass(frozen=True)
class ValueRequest:
    """What was asked, as plain data; it is stored with a result, so that ``verify`` can ask the same again."""

    providers: tuple[tuple[str, str], ...]
    test: str
    target: str
    model: str
    metric: str
    mode: str
    seed: int
    rest: str | None = None
    checkpoint: str | None = None
    device: str = "cpu"
    base: str | None = None
    class_weights: str = "uniform"
    shards: int | None = None
    target_is: str | None = None
    encoder: str | None = None
    backbone: str | None = None
    image_size: int | None = None
    missing_labels: str = "leave_out"
    drop_unfit: bool = False
    test_group: str = ""
    segments: str = ""
    test_lot: float | None = None
    lot_alone: bool = False
    label_map: Mapping[str, str] = field(default_factory=dict)
    features: Mapping[str, Any] = field(default_factory=dict)
    # (file, ``Reading.plain()`` without what is null) of each file of which something is declared
    readings: tuple[tuple[str, dict[str, Any]], ...] = ()

    def reading(self, file: str) -> Reading:
        """What is declared of how a file is read."""
        return Reading.read(dict(self.readings).get(file, {}))

    def to_json(self) -> dict[str, Any]:
        """Plain data, with the versions that computed it."""
        pairs = {name: [list(pair) for pair in getattr(self, name)] for name in ("providers", "readings")}
        plain = {**self.__dict__, **pairs}
        return {**plain, "versions": {name: version(name) for name in ("cherish", "torch", "numpy")}}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "ValueRequest":
        """The request stored with a result; raises InvalidInput where it is not one."""
        plain = {name: value for name, value in data.items() if name != "versions"}
        try:
            if unlike := sorted({*plain} - {each.name for each in fields(cls)}):
                raise ValueError(f"{', '.join(unlike)}: nobody can ask that")
            request = _reader().validate_python(plain)
            FeatureChoice.read(request.features)
            for _, said in request.readings:
                Reading.read(said)
            if request.missing_labels not in MISSING_LABELS:
                raise ValueError(unknown("missing_labels", request.missing_labels, MISSING_LABELS))
            return request
        except (KeyError, TypeError, ValueError) as cause:
            raise InvalidInput(f"the result's request is incomplete: {cause}; write the result again") from cause


@cache
def _reader() -> TypeAdapter[ValueRequest]:
    return TypeAdapter(ValueRequest)


def parse_providers(options: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """(name, file) of each NAME=FILE; a name given twice has several files."""
    pairs = []
    for option in options:
        name, equals, file = option.partition("=")
        if not (equals and name and file):
            raise InvalidInput(f"--provider {option!r}: write NAME=FILE, for instance --provider clinic=clinic.csv")
        pairs.append((name, file))
    if not pairs:
        raise InvalidInput("name at least one provider: --provider NAME=FILE")
    return tuple(pairs)


def parse_pairs(option: str, texts: Sequence[str] | None) -> dict[str, str]:
    """What an option says as NAME=VALUE."""
    pairs: dict[str, str] = {}
    for text in texts or ():
        name, equals, value = text.rpartition("=")
        if not (equals and name and value):
            raise InvalidInput(f"{option} {text!r}: write NAME=VALUE")
        pairs[name] = value
    return pairs


def parse_readings(
    files: Sequence[str], options: Mapping[str, Sequence[str] | None]
) -> tuple[tuple[str, dict[str, Any]], ...]:
    """(file, what is declared of it) from options [FILE=]VALUE by name; without a file they are for all ``files``.

    Raises InvalidInput for a value that cannot be declared.
    """
    by_file: dict[str, dict[str, Any]] = {}
    for option, values in options.items():
        for value in values or ():
            file, equals, said = value.partition("=")
            named = bool(equals and said) and file in files
            text = said if named else value
            for each in [file] if named else files:
                declared = by_file.setdefault(each, {})
                if option == "kinds":
                    declared[option] = declared.get(option, {}) | readings.pairs([text])
                else:
                    declared[option] = text.split(",") if option == "columns" else text
    checked = {file: dict(readings.plain(readings.declared(**entry))) for file, entry in by_file.items()}
    return tuple((file, checked[file]) for file in files if file in checked)


def parse_model(text: str) -> tuple[str, dict[str, float | int | str]]:
    """A learner's name and hyper-parameters from NAME or NAME:key=value,key=value; raises InvalidInput."""
    name, _, options = text.partition(":")
    if name not in LEARNERS:
        raise InvalidInput(unknown("learner", name, LEARNERS))
    hyper: dict[str, float | int | str] = {}
    for option in filter(None, options.split(",")):
        key, equals, value = option.partition("=")
        if not (equals and key and value):
            raise InvalidInput(f"--model {text!r}: write hyper-parameters as key=value, for instance mlp:hidden=64")
        hyper[key] = _number(value)
    return name, hyper


def _number(value: str) -> float | int | str:
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return value


@contextmanager
def engine_errors() -> Iterator[None]:
    """The engine's refusals as the command line's: one sentence, exit code 1."""
    from contract.errors import InvalidProblem
    from worker.engine.games.game import EvaluationFailed
    from worker.engine.valuation import Impossible

    try:
        yield
    except (InvalidProblem, Impossible, EvaluationFailed) as refused:
        raise InvalidInput(str(refused)) from refused


def checkpoint_of(file: str) -> dict[str, Any]:
    """The tensors of a safetensors file, after its header and every number were checked."""
    import safetensors.numpy

    path = Path(file)
    if not path.is_file():
        raise InvalidInput(f"--checkpoint: there is no file {file}; check the path")
    from app.checkpoints.weights import read_tensors

    read_tensors(path, f"checkpoint {file}")
    tensors: dict[str, Any] = safetensors.numpy.load_file(path)
    return tensors


def target_is(request: ValueRequest, learner: str) -> TargetIs | None:
    """What the target is predicted as: what the metric scores, or else what the request says of it."""
    with engine_errors():
        number = predicted(learner, request.metric) is Predicts.NUMBER
    if request.target_is not in (None, *TARGET_IS) or (request.target_is or "") == ("classes" if number else "number"):
        of_numbers = ", ".join(name for name, metric in METRICS.items() if Predicts.NUMBER in metric.predicts)
        raise InvalidInput(
            f"--target-is {request.target_is!r} with --metric {request.metric}: a number is measured by {of_numbers} "
            "(with --model ridge, mlp or cnn), classes by the other metrics; name one that fits"
        )
    if number:
        return "number"
    return "classes" if request.target_is == "classes" else None
