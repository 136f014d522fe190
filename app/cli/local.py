"""From files on this machine to the engine's problem, by the same readers, encoding and canonical order as the service.

Used by ``cherish value`` and ``cherish verify``. It starts no server and opens no database; the engine is imported
inside functions, so that other commands do not load torch.
"""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.cli.featured import evaluator_on_features
from app.cli.request import ValueRequest, checkpoint_of, engine_errors, parse_model
from app.cli.text import evaluator_of_texts
from app.datasets.readers import image_shape, table_name
from app.datasets.readers.findings import findings_of
from app.datasets.readers.images import in_form
from app.datasets.rows.canonical_order import in_canonical_order
from app.datasets.rows.encoding import EncodedRows, Encoding, encode, fit_tables
from app.datasets.rows.joining import renamed
from app.datasets.rows.reading import read_rows
from app.datasets.rows.suspicions import suspicions
from app.errors import InvalidInput
from app.valuations.players.files import join_rows
from contract.features import FeatureChoice
from contract.findings import Finding
from contract.learners import LEARNERS, predicted
from contract.metrics import METRICS, Predicts
from contract.names import unknown
from contract.reading import TARGET_IS, TargetIs

if TYPE_CHECKING:
    from worker.engine.evaluation.evaluator import Evaluator


def evaluator_of(
    request: ValueRequest,
    threads: int,
    notice: Callable[[str, Sequence[Finding]], None] = lambda _name, _findings: None,
) -> "tuple[Evaluator, dict[str, str]]":
    """The game of a request and the digests that name everything it rests on; what is noticed of a file while it is
    read is given to ``notice`` with what people call the file."""
    from worker.engine.evaluation.evaluator import Evaluator
    from worker.engine.games.game import Player
    from worker.engine.games.problem import LearnerSpec, PlayerData, Problem, Rows
    from worker.engine.games.shards import cut

    name, hyper = parse_model(request.model)
    if name not in LEARNERS:
        raise InvalidInput(unknown("learner", name, LEARNERS))
    given = (request.label_map, request.features, request.missing_labels != "leave_out")
    if any(given) and (name == "lm" or request.encoder or request.backbone):
        raise InvalidInput(
            "--label-map, --missing-labels, --use, --leave-out and --rename are for tables without an encoder, a "
            "backbone or lm; leave them out"
        )
    if name == "lm":
        if request.shards is not None or request.class_weights != "uniform":
            raise InvalidInput("--shards and --class-weights are for labelled rows; lm has texts, leave them out")
        return evaluator_of_texts(request, hyper, threads)
    if not request.target:
        raise InvalidInput("--target is missing: name the column to predict (an NPZ's labels are `y`)")
    if request.encoder or request.backbone:
        if target_is(request, name) == "number":
            raise InvalidInput("a number is predicted from tables and images; leave --encoder and --backbone out")
        return evaluator_on_features(request, name, hyper, threads)
    test_table = _table(request, request.test, "the test set", is_test=True)
    form = image_shape(test_table)
    tables = [
        (player, in_form(_table(request, file, f"{player} ({file})"), form)) for player, file in request.providers
    ]
    rest_table = in_form(_table(request, request.rest, "the rest"), form) if request.rest else None
    known = [table for _, table in tables] + ([rest_table] if rest_table is not None else [])
    choice = FeatureChoice.read(request.features)
    fitted = fit_tables(
        test_table,
        known,
        request.target,
        choice=choice,
        label_map=request.label_map,
        target_is=target_is(request, name),
    )
    encoding = fitted.encoding
    notice("the test set", [*findings_of(test_table), *fitted.test_findings])
    for table, findings in zip(known, fitted.findings, strict=True):
        odd = suspicions(renamed(table, choice), encoding)
        notice(table_name(table), [*findings_of(table), *findings, *odd])
    encoded = [(player, encode(table, encoding)) for player, table in tables]
    test = encode(test_table, encoding)
    rest = encode(rest_table, encoding) if rest_table is not None else None
    if not request.checkpoint:
        known_rows = [each for _, each in encoded] + ([rest] if rest is not None else [])
        encoding, order = in_canonical_order(encoding, test, known_rows)
        encoded, test = [(player, order.rows(each)) for player, each in encoded], order.rows(test)
        rest = None if rest is None else order.rows(rest)
    rows: dict[str, list[EncodedRows]] = {}
    for player, each in encoded:
        rows.setdefault(player, []).append(each)
    players = {player: join_rows(parts) for player, parts in rows.items()}
    rest = None if rest is None else rest.canonical()
    checkpoint = checkpoint_of(request.checkpoint) if request.checkpoint else None
    with engine_errors():
        whole = [PlayerData(player, each.X, each.y, each.digest) for player, each in players.items()]
        pieces: list[PlayerData] = whole
        owners: tuple[Player, ...] = ()
        if request.shards is not None:
            pieces, owners = cut(whole, -(-sum(map(len, whole)) // request.shards), request.seed)
        problem = Problem(
            players=pieces,
            owners=owners,
            class_weights=request.class_weights,
            test=Rows(test.X, test.y, name="the test set"),
            classes=encoding.outputs,
            scale=encoding.target_scale,
            learner=LearnerSpec(name, hyper),
            metric=request.metric,
            mode=request.mode,
            seed=request.seed,
            rest=Rows(rest.X, rest.y, name="the rest") if rest is not None else None,
            checkpoint=checkpoint,
        )
        evaluator = Evaluator(problem, request.device, threads=threads)
    return evaluator, _digests(request, encoding, test, rest)


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


def _digests(request: ValueRequest, encoding: Encoding, test: EncodedRows, rest: EncodedRows | None) -> dict[str, str]:
    checkpoint = hashlib.sha256(Path(request.checkpoint).read_bytes()).hexdigest() if request.checkpoint else None
    named = {
        "test": test.digest,
        "encoding": encoding.digest,
        "rest": None if rest is None else rest.digest,
        "checkpoint": checkpoint,
    }
    return {name: digest for name, digest in named.items() if digest is not None}


def _table(request: ValueRequest, file: str, name: str, *, is_test: bool = False) -> Any:
    path, side = Path(file), request.image_size
    if not path.is_file():
        raise InvalidInput(f"{name}: there is no file {file}; check the path")
    return read_rows(
        path,
        None,
        request.target,
        name=name,
        image_size=None if side is None else (side, side),
        reading=request.reading(file),
        missing_labels=request.missing_labels,
        is_test=is_test,
    )
