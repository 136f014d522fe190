"""``cherish value``: value providers' files on this machine, without a server.

The same readers, encoding and engine as the service's jobs, so the same files give the same numbers. It writes nothing
but the files named by --json and --plot, and sends nothing anywhere.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, astuple, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from app.cli.output import console_beside, write_document
from app.cli.valuing.formats import percent
from app.cli.valuing.local import evaluator_of, game_of
from app.cli.valuing.pairs import said_pairs
from app.cli.valuing.request import (
    ValueRequest,
    engine_errors,
    parse_model,
    parse_pairs,
    parse_providers,
    parse_readings,
)
from app.cli.valuing.row_sources import RowSources, check_rows, check_rows_path, write_values
from app.cli.valuing.text import domains
from app.errors import InvalidInput
from contract.learning.learners import LEARNERS, LOGISTIC, RIDGE
from contract.learning.methods import default_method
from contract.metrics import METRICS, Predicts, metric_of
from contract.metrics.accuracy import Accuracy
from contract.metrics.r2 import R2
from contract.orders.estimators import ESTIMATORS, RULES
from contract.orders.spec import FIDELITIES, ValuationSpec
from contract.proof.sealing import sealed, spelled
from contract.results.interactions import Interactions
from contract.results.shares import counts_doubt
from contract.rows.features import FeatureChoice
from contract.rows.findings import Finding, Severity
from contract.rows.reading import MISSING_LABELS, READ_AS

if TYPE_CHECKING:
    from contract.results.result import Precision, ValuationResult
    from worker.engine.evaluation.evaluator import Evaluator
    from worker.engine.evaluation.small_linear import SmallLinear
    from worker.engine.valuation import Progress

MOST_FINDINGS = 40
THREADS = max(1, os.cpu_count() or 1)


def _choice(names: Iterable[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} or {last}"


_Providers = Annotated[list[str], typer.Option("--provider", help="NAME=FILE; a name given twice has several files.")]
_Test = Annotated[
    str, typer.Option(help="The test set: a table (docs/datasets.md); for lm a text, or a folder of them.")
]
_Target = Annotated[str, typer.Option(help="The column to predict (an NPZ's labels are `y`); lm has none.")]
_Model = Annotated[
    str | None,
    typer.Option(
        help=f"{_choice(LEARNERS)}; with hyper-parameters as mlp:hidden=64,steps=150 (default: logistic, of a number "
        "ridge)."
    ),
]
_TargetIs = Annotated[
    str | None, typer.Option(help="number or classes: what the target is predicted as (default: as the metric says).")
]
_Base = Annotated[str | None, typer.Option(help="For lm: the base model, a folder in the Hugging Face layout.")]
_Encoder = Annotated[
    str | None, typer.Option(help="A frozen encoder of texts: a model folder; --model is its head, or lora.")
]
_Backbone = Annotated[str | None, typer.Option(help="A frozen backbone of images, likewise; --model is its head.")]
_ImageSize = Annotated[int | None, typer.Option(min=8, help="For cnn: images of a zip are resized to this square.")]
_Metric = Annotated[
    str | None,
    typer.Option(
        help=f"{_choice(METRICS)} (default: accuracy, of a number r2); options follow a colon: f1:of_class=yes."
    ),
]
_Mode = Annotated[str, typer.Option(help="full: all providers' rows train; partial: only weights and their rows.")]
_Checkpoint = Annotated[str | None, typer.Option(help="Weights of the full model: safetensors; for lm a PEFT folder.")]
_Rest = Annotated[str | None, typer.Option(help="Rows that belong to no player.")]
_Fidelity = Annotated[str, typer.Option(help=f"{_choice(FIDELITIES)}.")]
_Unlearning = Annotated[
    str | None,
    typer.Option(help="The unlearning method (default: what measured best for the model); auto: all compete."),
]
_Estimator = Annotated[str, typer.Option(help=f"{_choice(ESTIMATORS)}.")]
_ShareCi = Annotated[float, typer.Option(help="Stop when every share's interval is narrower than this, in points.")]
_RuledBy = Annotated[str, typer.Option(help=f"What ends it: {', '.join(RULES)}.")]
_MaxEvaluations = Annotated[int | None, typer.Option(help="The most worths to compute, of all kinds.")]
_MaxRetrains = Annotated[int | None, typer.Option(help="The most models to train anew; 0 switches the audit off.")]
_MaxSeconds = Annotated[float | None, typer.Option(help="Stop after so many seconds of computing.")]
_Seed = Annotated[int, typer.Option(help="Seeds training and sampling.")]
_Json = Annotated[Path | None, typer.Option("--json", help="Where to write the whole result; - is standard output.")]
_Rows = Annotated[
    Path | None,
    typer.Option("--rows", help="Where to write a value for every row: a file that ends in .parquet or .csv."),
]
_Plot = Annotated[Path | None, typer.Option(help="Where to draw it (PNG).")]
_Shards = Annotated[
    int | None, typer.Option(min=2, help="Value about so many equal shards and sum them: splitting then gains nothing.")
]
_ClassWeights = Annotated[
    str, typer.Option(help="How classes of the test set count: uniform (as they come), balanced, or pooled.")
]
_Columns = Annotated[
    list[str] | None, typer.Option(help="[FILE=]NAME,NAME,...: columns of a table without a header line.")
]
_Delimiter = Annotated[list[str] | None, typer.Option(help="[FILE=]SIGN: what separates fields; else sniffed.")]
_TextEncoding = Annotated[list[str] | None, typer.Option(help="[FILE=]NAME: of a text that is not UTF-8: koi8-r.")]
_Sheet = Annotated[list[str] | None, typer.Option(help="[FILE=]NAME: of a workbook; else its first sheet.")]
_Read = Annotated[
    list[str] | None, typer.Option(help=f"[FILE=]COLUMN={_choice(READ_AS)}: where a column's cells do not say it.")
]
_MissingLabels = Annotated[
    str, typer.Option(help=f"Rows without a label: {_choice(MISSING_LABELS)} (left out, they are counted).")
]
_DropUnfit = Annotated[
    bool, typer.Option("--drop-unfit", help="Go on without files that do not fit the others; they are named.")
]
_LabelMap = Annotated[list[str] | None, typer.Option(help="OLD=NEW: a label that is another by another spelling.")]
_TestGroup = Annotated[
    str, typer.Option(help="The test set's column of rows that were drawn together: intervals go by groups then.")
]
_Segments = Annotated[
    str,
    typer.Option(help="Value the parts of each provider's rows by this column of its files: wards, months, sources."),
]
_Use = Annotated[list[str] | None, typer.Option("--use", help="Only this column of the test set; may be repeated.")]
_LeaveOut = Annotated[list[str] | None, typer.Option("--leave-out", help="Not this column of the test set.")]
_Rename = Annotated[list[str] | None, typer.Option("--rename", help="OLD=NEW: a provider's column, the test set's.")]
_Device = Annotated[str, typer.Option(help="cpu, cuda or cuda:1.")]
_Threads = Annotated[int, typer.Option(min=1, help="Coalitions computed at a time; changes no number.")]


def register(app: typer.Typer) -> None:
    app.command()(value)


def value(
    provider: _Providers,
    test: _Test,
    target: _Target = "",
    model: _Model = None,
    metric: _Metric = None,
    target_is: _TargetIs = None,
    mode: _Mode = "full",
    checkpoint: _Checkpoint = None,
    base: _Base = None,
    encoder: _Encoder = None,
    backbone: _Backbone = None,
    image_size: _ImageSize = None,
    rest: _Rest = None,
    fidelity: _Fidelity = "auto",
    unlearning: _Unlearning = None,
    estimator: _Estimator = "auto",
    share_ci: _ShareCi = 2.0,
    ruled_by: _RuledBy = "budget",
    max_evaluations: _MaxEvaluations = None,
    max_retrains: _MaxRetrains = None,
    max_seconds: _MaxSeconds = None,
    seed: _Seed = 0,
    json_path: _Json = None,
    rows: _Rows = None,
    plot: _Plot = None,
    shards: _Shards = None,
    class_weights: _ClassWeights = "uniform",
    read: _Read = None,
    missing_labels: _MissingLabels = "leave_out",
    drop_unfit: _DropUnfit = False,
    label_map: _LabelMap = None,
    test_group: _TestGroup = "",
    segments: _Segments = "",
    use: _Use = None,
    leave_out: _LeaveOut = None,
    rename: _Rename = None,
    device: _Device = "cpu",
    threads: _Threads = THREADS,
    columns: _Columns = None,
    delimiter: _Delimiter = None,
    encoding: _TextEncoding = None,
    sheet: _Sheet = None,
) -> None:
    """Value providers' data by what it adds to a model: values, shares, and how sure they are."""
    model, metric = defaults(model, metric, target_is)
    try:
        spec = ValuationSpec(
            mode=mode,
            metric=metric,
            fidelity=fidelity,
            unlearning=unlearning or default_method(parse_model(model)[0], mode),
            estimator=estimator,
            share_ci=share_ci,
            max_evaluations=max_evaluations,
            max_retrains=max_retrains,
            max_seconds=max_seconds,
            seed=seed,
            ruled_by=ruled_by,
        )
    except ValueError as refused:
        raise InvalidInput(str(refused)) from refused
    providers = parse_providers(provider)
    files = [*dict.fromkeys([*(file for _, file in providers), test, *([rest] if rest else [])])]
    declared = {"columns": columns, "delimiter": delimiter, "encoding": encoding, "sheet": sheet, "kinds": read}
    request = ValueRequest(
        providers=providers,
        test=test,
        target=target,
        model=model,
        metric=metric,
        mode=mode,
        seed=seed,
        rest=rest,
        checkpoint=checkpoint,
        device=device,
        base=base,
        class_weights=class_weights,
        shards=shards,
        target_is=target_is,
        encoder=encoder,
        backbone=backbone,
        image_size=image_size,
        readings=parse_readings(files, declared),
        missing_labels=missing_labels,
        drop_unfit=drop_unfit,
        test_group=test_group,
        segments=segments,
        label_map=parse_pairs("--label-map", label_map),
        features=FeatureChoice(
            use=tuple(use or ()) or None, leave_out=tuple(leave_out or ()), rename=parse_pairs("--rename", rename)
        ).model_dump(mode="json", exclude_defaults=True),
    )
    if missing_labels not in MISSING_LABELS:
        raise InvalidInput(f"--missing-labels {missing_labels!r}: say {_choice(MISSING_LABELS)}")
    _check_writable(json_path, plot, rows)
    check_rows_path(rows)
    console = console_beside(json_path)
    noticed: list[tuple[str, Finding]] = []
    sources = RowSources() if rows is not None else None
    game: Evaluator | SmallLinear
    evaluator: Evaluator | None = None

    def notice(name: str, findings: Sequence[Finding]) -> None:
        noticed.extend((name, each) for each in findings)

    if sources is None and unlearning is None and _leaves_the_choice(spec):
        game, digests = game_of(request, threads, notice)
    else:
        evaluator, digests = evaluator_of(request, threads, notice, sources)
        game = evaluator
    if evaluator is not None and sources is not None:
        check_rows(evaluator)
    for line in finding_lines(noticed):
        console.print(line, soft_wrap=True, markup=False, highlight=False)
    result = replace(_valued(game, spec, console), digests=digests)
    show(result, console)
    if segments:
        _show_segments(result, console)
    pairs = said_pairs(game, result, console)
    _show_domains(game, test, console)
    _keep(as_json(result, request, noticed, pairs), result, json_path, plot, console)
    if evaluator is not None and rows is not None and sources is not None:
        write_values(evaluator, result, sources, rows, console)


def _leaves_the_choice(spec: ValuationSpec) -> bool:
    """Whether a request names no budget, method or estimator and has all data, so that a small game is enumerated."""
    budgets = (spec.max_evaluations, spec.max_retrains, spec.max_seconds)
    return spec.mode == "full" and (spec.fidelity, spec.estimator, *budgets) == ("auto", "auto", None, None, None)


def _show_domains(game: "Evaluator | SmallLinear", test: str, console: Console) -> None:
    """What a language model's worth means to people, by domain of its test set."""
    from worker.engine.evaluation.small_linear import SmallLinear

    if isinstance(game, SmallLinear) or game.learner.name != "lm":
        return
    from worker.jobs.domains import perplexities

    for row in perplexities(game, [file.stem for file in domains(Path(test))]):
        console.print(f"Perplexity per token on {row.domain}: {row.base:.2f} before, {row.full:.2f} with everybody.")


def defaults(model: str | None, metric: str | None, target_is: str | None) -> tuple[str, str]:
    """The model and the metric of a command that names neither, or one of the two."""
    of_number = target_is == "number" or (model or "").partition(":")[0] == RIDGE.name
    metric = metric or (R2.name if of_number else Accuracy.name)
    with engine_errors():
        measured = metric_of(metric)
    number, metric = Predicts.NUMBER in measured.predicts, measured.text
    return model or (RIDGE.name.value if number else LOGISTIC.name.value), metric


def _valued(game: "Evaluator | SmallLinear", spec: ValuationSpec, console: Console) -> "ValuationResult":
    """The game's valuation, with its progress on the terminal, or line by line where there is none."""
    from worker.engine.valuation import value as value_game

    with engine_errors(), console.status("Training the full model ...") as status:

        def follow(progress: "Progress") -> None:
            status.update(_line(progress))
            if not console.is_terminal:
                console.print(_line(progress), soft_wrap=True)

        game.prepare()
        status.update("Computing the first worths ...")
        return value_game(game, spec, follow)


def _keep(
    plain: dict[str, Any], result: "ValuationResult", json_path: Path | None, plot: Path | None, console: Console
) -> None:
    if json_path is not None:
        write_document(spelled(plain), json_path, console)
    if plot is not None:
        from app.cli.valuing.plots import draw

        draw(result, plot)
        console.print(f"Drawn in {plot}", soft_wrap=True)


def as_json(
    result: "ValuationResult",
    request: ValueRequest,
    noticed: Sequence[tuple[str, Finding]] = (),
    pairs: Interactions | None = None,
) -> dict[str, Any]:
    """The result as plain data, with the request that ``cherish verify`` asks again and what was noticed of files,
    sealed."""
    findings = [{"file": name, **finding.plain()} for name, finding in noticed]
    beside = {} if pairs is None else {"pairs": asdict(pairs)}
    return sealed({**result.to_dict(), "request": request.to_json(), "findings": findings, **beside})


def finding_lines(noticed: Sequence[tuple[str, Finding]]) -> list[str]:
    """What was noticed of the files as lines for people, warnings first."""
    grave = sorted(noticed, key=lambda each: each[1].severity is not Severity.WARN)
    lines = [
        f"{finding.severity.value}: {name}: {finding.detail}" + (f"; {finding.mend}" if finding.mend else "")
        for name, finding in grave[:MOST_FINDINGS]
    ]
    more = len(grave) - len(lines)
    return [*lines, f"and {more} more findings; --json writes all"] if more else lines


def _check_writable(*paths: Path | None) -> None:
    """Refuse before hours of computing, not after."""
    for path in paths:
        if path is not None and not path.absolute().parent.is_dir():
            raise InvalidInput(f"{path}: there is no folder {path.absolute().parent}; make it first")


def _line(progress: "Progress") -> str:
    bought = ", ".join(f"{count} {kind}ed" for kind, count in progress.evaluations.items() if count)
    # no width says that nothing uncertain was counted, not that all is certain
    widest = f"widest share interval {progress.widest:.2f} points (goal {progress.share_ci:g})"
    if not progress.widest:
        widest = "no interval"
    return f"Round {progress.round}: {bought} worths; {widest}"


def _missed(precision: "Precision") -> str:
    """That the width asked for was not reached, and what would help."""
    reached = "it cannot be said" if precision.reached is None else f"{precision.reached:.2f}"
    words = f"The precision asked for was not reached: {precision.asked:g} points; {reached}."
    return " ".join(filter(None, [words, precision.outlook()]))


def _show_segments(result: "ValuationResult", console: Console) -> None:
    """What the parts of providers' rows are worth, where a request names a column to tell them apart by."""
    table = Table("provider", "segment", "rows", "value", "std. error", box=None, pad_edge=False)
    for column in table.columns[2:]:
        column.justify = "right"
    for piece in sorted(result.shards, key=lambda each: each.name):
        value, error = (f"{number or 0.0:.5f}" for number in (piece.value, piece.stderr))
        table.add_row(piece.owner, piece.name.removeprefix(f"{piece.owner}/"), str(piece.rows), value, error)
    console.print(table)


def show(result: "ValuationResult", console: Console) -> None:
    """The table of players and the sentences that belong to it."""
    causes = ("test rows", "unlearning", "seeds") if any(player.parts for player in result.players) else ()
    columns = ("provider", "rows", "value", "std. error", "share", "95 % interval", *causes)
    table = Table(*columns, box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for player in sorted(result.players, key=lambda p: -p.value):
        interval = stderr = ""
        if counts_doubt(player.value_ci):
            stderr = f"{player.stderr:.5f}"
            interval = "" if player.share_ci is None else " to ".join(f"{100 * end:.2f}" for end in player.share_ci)
        parts = astuple(player.parts) if player.parts is not None else [None] * len(causes)
        widths = ["" if width is None else f"{width:.1f}" for width in parts]
        share = percent(player.share)
        table.add_row(player.provider, str(player.rows), f"{player.value:.5f}", stderr, share, interval, *widths)
    console.print(table)
    if result.chance is not None and (grouped := result.chance.grouped()) is not None:
        console.print(grouped, soft_wrap=True)
    if causes:
        console.print(
            "The last columns: how wide the interval would be, in points, if that cause alone were uncertain.",
            soft_wrap=True,
        )
    counts = ", ".join(f"{count} {kind}" for kind, count in result.evaluations.items())
    console.print(
        f"Worth of nobody {result.empty_worth:.4f}, of everybody {result.full_worth:.4f}. Evaluations: {counts}. "
        f"Ended by {result.stopped_by} after {result.seconds:.1f} s of computing.",
        soft_wrap=True,
    )
    if result.precision is not None and not result.precision.met:
        console.print(f"[yellow]{_missed(result.precision)}[/yellow]", soft_wrap=True)
    if result.gain is not None:
        console.print(result.gain.sentence(), soft_wrap=True)
    if result.retrain_seconds_estimate is not None:
        estimate = result.retrain_seconds_estimate
        from app.valuations.results import wording

        words = f"would take about {estimate:.0f} s"
        if estimate > wording.LONGEST_SECONDS:
            words = f"is not computable: 2^{len(result.players)} models"
        console.print(f"Training anew for every coalition {words}.", soft_wrap=True)
    for sentence in (result.audit.sentence, result.shares_note, *result.notes):
        if sentence:
            console.print(sentence, soft_wrap=True)
