"""From files on this machine to the engine's problem, by the same readers, encoding and canonical order as the service.

Used by ``cherish value`` and ``cherish verify``. It starts no server and opens no database; the engine is imported
inside functions, so that other commands do not load torch.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.cli.valuing import lots
from app.cli.valuing.local_files import LocalFile, Notice, provider_files, read_together, the_test_set, unnoticed
from app.cli.valuing.request import ValueRequest, checkpoint_of, engine_errors, parse_model, target_is
from app.cli.valuing.row_sources import RowSources
from app.datasets.readers.images import in_form
from app.datasets.rows.encoding import EncodedRows, encode
from app.datasets.rows.features import Encoding
from app.datasets.rows.groups import column_groups
from app.datasets.rows.joining import renamed
from app.datasets.rows.reading import labelled_numbers, read_rows
from app.datasets.rows.segments import segment_names, segmented
from app.errors import InvalidInput
from app.sandbox.arrow import start_without_pandas
from app.valuations.players.files import join_rows
from contract.metrics import metric_of
from contract.orders.spec import ValuationSpec
from contract.rows.features import FeatureChoice

if TYPE_CHECKING:
    from worker.engine.evaluation.evaluator import Evaluator
    from worker.engine.evaluation.small_linear import SmallLinear
    from worker.engine.games.problem import Problem

_DEVICE = re.compile(r"cpu|mps|cuda(:\d+)?")


def evaluator_of(
    request: ValueRequest, threads: int, notice: Notice = unnoticed, sources: RowSources | None = None
) -> "tuple[Evaluator, dict[str, str]]":
    """The game of a request and the digests that name everything it rests on; what is noticed of a file while it is
    read is given to ``notice`` with what people call the file, and where each row stands to ``sources``."""
    from worker.engine.evaluation.evaluator import Evaluator

    game, digests = game_of(request, threads, notice, sources, small=False)
    if not isinstance(game, Evaluator):
        raise AssertionError("a small game was made that was not asked for")
    return game, digests


def game_of(
    request: ValueRequest,
    threads: int,
    notice: Notice = unnoticed,
    sources: RowSources | None = None,
    *,
    small: bool = True,
) -> "tuple[Evaluator | SmallLinear, dict[str, str]]":
    """The same, as a game of numpy alone where ``small`` ones are taken and this is one: it loads no torch."""
    start_without_pandas()
    if not _DEVICE.fullmatch(request.device):
        raise InvalidInput(f"--device {request.device!r}: say cpu, cuda or cuda:1")
    name, hyper = parse_model(request.model)
    _check_options(request, name)
    lots.check(request, name)
    if name == "lm":
        if request.shards is not None or request.class_weights != "uniform":
            raise InvalidInput("--shards and --class-weights are for labelled rows; lm has texts, leave them out")
        from app.cli.valuing.text import evaluator_of_texts

        return evaluator_of_texts(request, hyper, threads, notice, sources)
    if not request.target:
        raise InvalidInput("--target is missing: name the column to predict (an NPZ's labels are `y`)")
    if request.encoder or request.backbone:
        from app.cli.valuing.featured import evaluator_on_features

        return evaluator_on_features(request, name, hyper, threads, notice, sources)
    files = _encoded_files(request, name, notice, sources)
    with engine_errors():
        game = _game(_problem(request, name, hyper, files), request.device, threads, small=small)
    return game, _digests(request, files.encoding, files.test, files.rest)


def leaves_the_choice(spec: ValuationSpec) -> bool:
    """Whether a request names no budget, method or estimator and has all data, so that a small game is enumerated."""
    budgets = (spec.max_evaluations, spec.max_retrains, spec.max_seconds)
    return spec.mode == "full" and (spec.fidelity, spec.estimator, *budgets) == ("auto", "auto", None, None, None)


@dataclass(frozen=True)
class _EncodedFiles:
    """A request's files as the engine reads them: ``groups`` of the test set's rows, each player's rows joined, and
    those of no player in canonical order."""

    encoding: Encoding
    test: EncodedRows
    groups: Any
    players: dict[str, EncodedRows]
    rest: EncodedRows | None
    # what segments are called, by number; empty where none are valued
    segments: Sequence[str] = ()


def _encoded_files(request: ValueRequest, learner: str, notice: Notice, sources: RowSources | None) -> _EncodedFiles:
    """Read and encode all files of a request, by the encoding that they have together."""
    whole_rest = [LocalFile("the rest", Path(request.rest), None, request.rest)] if request.rest else []
    others = [*provider_files(request), *whole_rest]
    answer, used = read_together(
        request, "table", the_test_set(request), others, notice, target_is=target_is(request, learner)
    )
    encoding = Encoding.from_json(answer.encoding or {})
    form = encoding.shape if len(encoding.shape) > 1 else ()
    tested = _table(request, the_test_set(request), form)
    groups = column_groups(tested, request.test_group) if request.test_group else None
    tables = [_table(request, file, form) for file in used]
    encoded = [(file.player, encode(table, encoding)) for file, table in zip(used, tables, strict=True)]
    names: list[str] = []
    if request.segments:
        names, encoded = _in_segments(request, used, tables, encoded)
    test = encode(tested, encoding)
    lot = lots.drawn(request, encoded)
    if lot is not None:
        test = lots.measured(request, test, encoded, lot)
        encoded = [(player, lots.some(each, mask)) for (player, each), mask in zip(encoded, lot.train, strict=True)]
    if sources is not None:
        sources.classes = encoding.classes
        for at, (file, (player, each)) in enumerate(zip(used, encoded, strict=True)):
            if player is not None:
                reading = request.reading(file.named)
                numbers = labelled_numbers(file.path, None, request.target, name=file.name, reading=reading)
                sources.add(player, file.named, numbers if lot is None else numbers[lot.train[at]], each.X, each.y)
    rest = next((each for player, each in encoded if player is None), None)
    rows: dict[str, list[EncodedRows]] = {}
    for player, each in encoded:
        if player is not None:
            rows.setdefault(player, []).append(each)
    players = {player: join_rows(parts) for player, parts in rows.items()}
    rest = None if rest is None else rest.canonical()
    return _EncodedFiles(encoding, test, groups, players, rest, names)


def _problem(
    request: ValueRequest, learner: str, hyper: dict[str, float | int | str], files: _EncodedFiles
) -> "Problem":
    """The engine's problem; raises what the engine refuses."""
    from worker.engine.games.game import Player
    from worker.engine.games.problem import LearnerSpec, PlayerData, Problem, Rows
    from worker.engine.games.shards import apart, cut

    test, rest, encoding = files.test, files.rest, files.encoding
    whole = [PlayerData(player, each.X, each.y, each.digest) for player, each in files.players.items()]
    pieces: list[PlayerData] = whole
    owners: tuple[Player, ...] = ()
    if request.shards is not None:
        pieces, owners = cut(whole, -(-sum(map(len, whole)) // request.shards), request.seed)
    elif files.segments:
        by_player = [(player, each.X, each.y, each.digest) for player, each in files.players.items()]
        numbers = [each.groups for each in files.players.values() if each.groups is not None]
        pieces, owners = apart(by_player, numbers, files.segments)
    return Problem(
        players=pieces,
        owners=owners,
        class_weights=request.class_weights,
        test=Rows(test.X, test.y, "the test set", files.groups),
        classes=encoding.outputs,
        scale=encoding.target_scale,
        columns=encoding.blocks,
        learner=LearnerSpec(learner, hyper),
        metric=metric_of(request.metric).resolved(encoding.classes).text,
        mode=request.mode,
        seed=request.seed,
        rest=Rows(rest.X, rest.y, name="the rest") if rest is not None else None,
        checkpoint=checkpoint_of(request.checkpoint) if request.checkpoint else None,
    )


def _in_segments(
    request: ValueRequest,
    files: Sequence[LocalFile],
    tables: Sequence[Any],
    encoded: Sequence[tuple[str | None, EncodedRows]],
) -> tuple[list[str], list[tuple[str | None, EncodedRows]]]:
    """What the segments are called, by number, and the rows with their numbers; files of nobody's have none."""
    choice = FeatureChoice.read(request.features)
    players = dict.fromkeys(file.player for file in files if file.player is not None)
    owned = [[str(at) for at, file in enumerate(files) if file.player == player] for player in players]
    named = {key: segment_names(renamed(tables[int(key)], choice), request.segments) for keys in owned for key in keys}
    cut = segmented(named, owned, (), [1] * len(owned))
    names = [segment.name or "(none)" for segment in cut.segments]
    return names, [
        (player, replace(each, groups=cut.numbers.get(str(at)))) for at, (player, each) in enumerate(encoded)
    ]


def _game(problem: "Problem", device: str, threads: int, *, small: bool) -> "Evaluator | SmallLinear":
    from worker.engine.evaluation.small_linear import SmallLinear, fits

    if small and device == "cpu" and fits(problem):
        return SmallLinear(problem)
    from worker.engine.evaluation.evaluator import Evaluator

    return Evaluator(problem, device, threads=threads)


def _digests(request: ValueRequest, encoding: Encoding, test: EncodedRows, rest: EncodedRows | None) -> dict[str, str]:
    checkpoint = hashlib.sha256(Path(request.checkpoint).read_bytes()).hexdigest() if request.checkpoint else None
    named = {
        "test": test.digest,
        "encoding": encoding.digest,
        "rest": None if rest is None else rest.digest,
        "checkpoint": checkpoint,
    }
    return {name: digest for name, digest in named.items() if digest is not None}


def _table(request: ValueRequest, file: LocalFile, form: Sequence[int]) -> Any:
    side = request.image_size
    table = read_rows(
        file.path,
        None,
        request.target,
        name=file.name,
        image_size=None if side is None else (side, side),
        reading=request.reading(file.named),
        missing_labels=request.missing_labels,
        notices=False,
    )
    return in_form(table, form)


def _check_options(request: ValueRequest, model: str) -> None:
    """Raises InvalidInput for what a frozen model or a language model has no use for, as for the same order."""
    if request.features and (model == "lm" or request.encoder or request.backbone):
        raise InvalidInput(
            "--use, --leave-out, --rename: a frozen model reads texts or images, no columns; leave them out"
        )
    if model == "lm" and (request.label_map or request.missing_labels != "leave_out"):
        raise InvalidInput("--label-map, --missing-labels: a language model predicts tokens, no labels; leave them out")
    if request.segments and (model == "lm" or request.encoder or request.backbone):
        raise InvalidInput("--segments: they are told apart by a column of tables; leave it out for a frozen model")
    if request.segments and request.shards is not None:
        raise InvalidInput("--segments and --shards: either segments play or equal shards; leave one out")
    if request.segments and request.segments == request.target:
        raise InvalidInput(f"--segments {request.segments}: that column is the target; name another, or none")
    if request.test_group and request.test_group == request.target:
        raise InvalidInput(f"--test-group {request.test_group}: that column is the target; name another, or none")
    if model == "lm" and request.test_group:
        raise InvalidInput("--test-group: lm reads texts here, whose blocks are grouped by document; leave it out")
