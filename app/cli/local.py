"""From files on this machine to the engine's problem, by the same readers, encoding and canonical order as the service.

Used by ``cherish value`` and ``cherish verify``. It starts no server and opens no database; the engine is imported
inside functions, so that other commands do not load torch.
"""

import hashlib
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.checkpoints.weights import read_tensors
from app.cli.featured import evaluator_on_features
from app.cli.text import evaluator_of_texts
from app.datasets.readers import read_table
from app.datasets.rows.encoding import EncodedRows, Encoding, encode, fit_encoding
from app.errors import InvalidInput
from app.valuations.players.files import join_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from worker.engine.evaluation.evaluator import Evaluator


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
    encoder: str | None = None
    backbone: str | None = None
    image_size: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain data, with the versions that computed it."""
        plain = {**self.__dict__, "providers": [list(pair) for pair in self.providers]}
        return {**plain, "versions": {name: version(name) for name in ("cherish", "torch", "numpy")}}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "ValueRequest":
        """The request stored with a result; raises InvalidInput where it is not one."""
        plain = {name: value for name, value in data.items() if name != "versions"}
        try:
            return cls(**{**plain, "providers": tuple((str(name), str(file)) for name, file in plain["providers"])})
        except (KeyError, TypeError, ValueError) as cause:
            raise InvalidInput(f"the result's request is incomplete: {cause}; write the result again") from cause


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


def parse_model(text: str) -> tuple[str, dict[str, float | int | str]]:
    """A learner's name and hyper-parameters from NAME or NAME:key=value,key=value."""
    name, _, options = text.partition(":")
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
def engine_errors() -> "Iterator[None]":
    """The engine's refusals as the command line's: one sentence, exit code 1."""
    from worker.engine.games.game import EvaluationFailed
    from worker.engine.games.problem import InvalidProblem
    from worker.engine.valuation import Impossible

    try:
        yield
    except (InvalidProblem, Impossible, EvaluationFailed) as refused:
        raise InvalidInput(str(refused)) from refused


def evaluator_of(request: ValueRequest, threads: int) -> "tuple[Evaluator, dict[str, str]]":
    """The game of a request and the digests that name everything it rests on."""
    from worker.engine.evaluation.evaluator import Evaluator
    from worker.engine.games.game import Player
    from worker.engine.games.problem import LearnerSpec, PlayerData, Problem, Rows
    from worker.engine.games.shards import cut

    name, hyper = parse_model(request.model)
    if name == "lm":
        if request.shards is not None or request.class_weights != "uniform":
            raise InvalidInput("--shards and --class-weights are for labelled rows; lm has texts, leave them out")
        return evaluator_of_texts(request, hyper, threads)
    if not request.target:
        raise InvalidInput("--target is missing: name the column to predict (an NPZ's labels are `y`)")
    if request.encoder or request.backbone:
        return evaluator_on_features(request, name, hyper, threads)
    side = request.image_size
    test_table = _table(request.test, "the test set", side)
    tables = [(player, _table(file, f"{player} ({file})", side)) for player, file in request.providers]
    rest_table = _table(request.rest, "the rest", side) if request.rest else None
    known = [table for _, table in tables] + ([rest_table] if rest_table is not None else [])
    encoding = fit_encoding(test_table, known, request.target)
    rows: dict[str, list[EncodedRows]] = {}
    for player, table in tables:
        rows.setdefault(player, []).append(encode(table, encoding))
    players = {player: join_rows(parts) for player, parts in rows.items()}
    test = encode(test_table, encoding)
    rest = encode(rest_table, encoding).canonical() if rest_table is not None else None
    checkpoint = checkpoint_of(request.checkpoint) if request.checkpoint else None
    with engine_errors():
        whole = [PlayerData(player, own.X, own.y, own.digest) for player, own in players.items()]
        pieces: list[PlayerData] = whole
        owners: tuple[Player, ...] = ()
        if request.shards is not None:
            pieces, owners = cut(whole, -(-sum(map(len, whole)) // request.shards), request.seed)
        problem = Problem(
            players=pieces,
            owners=owners,
            class_weights=request.class_weights,
            test=Rows(test.X, test.y, name="the test set"),
            classes=len(encoding.classes),
            learner=LearnerSpec(name, hyper),
            metric=request.metric,
            mode=request.mode,
            seed=request.seed,
            rest=Rows(rest.X, rest.y, name="the rest") if rest is not None else None,
            checkpoint=checkpoint,
        )
        evaluator = Evaluator(problem, request.device, threads=threads)
    return evaluator, _digests(request, encoding, test, rest)


def _digests(request: ValueRequest, encoding: Encoding, test: EncodedRows, rest: EncodedRows | None) -> dict[str, str]:
    named = {"test": test.digest, "encoding": encoding.digest}
    if rest is not None:
        named["rest"] = rest.digest
    if request.checkpoint:
        named["checkpoint"] = hashlib.sha256(Path(request.checkpoint).read_bytes()).hexdigest()
    return named


def _table(file: str, name: str, side: int | None) -> Any:
    path = Path(file)
    if not path.is_file():
        raise InvalidInput(f"{name}: there is no file {file}; check the path")
    return read_table(path, name=name, image_size=None if side is None else (side, side))


def checkpoint_of(file: str) -> dict[str, Any]:
    """The tensors of a safetensors file, after its header and every number were checked."""
    import safetensors.numpy

    path = Path(file)
    if not path.is_file():
        raise InvalidInput(f"--checkpoint: there is no file {file}; check the path")
    read_tensors(path, f"checkpoint {file}")
    tensors: dict[str, Any] = safetensors.numpy.load_file(path)
    return tensors
