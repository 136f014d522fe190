"""``cherish value``: value providers' files on this machine, without a server.

The same readers, encoding and engine as the service's jobs, so the same files give the same numbers. It writes nothing
but the files named by --json and --plot, and sends nothing anywhere.
"""

from collections.abc import Sequence
from dataclasses import asdict, astuple, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console

from app.cli.commands import command
from app.cli.output import console_beside, write_document
from app.cli.tables import print_table
from app.cli.valuing.formats import percent
from app.cli.valuing.local import evaluator_of, game_of, leaves_the_choice
from app.cli.valuing.options import ValueOptions
from app.cli.valuing.pairs import said_pairs
from app.cli.valuing.request import ValueRequest, engine_errors
from app.cli.valuing.row_sources import RowSources, check_rows, check_rows_path, write_values
from app.errors import InvalidInput
from contract.orders.spec import ValuationSpec
from contract.proof.sealing import sealed, spelled
from contract.results.interactions import Interactions
from contract.results.shares import counts_doubt
from contract.rows.findings import Finding, Severity

if TYPE_CHECKING:
    from contract.results.result import Precision, ValuationResult
    from worker.engine.evaluation.evaluator import Evaluator
    from worker.engine.evaluation.small_linear import SmallLinear
    from worker.engine.valuation import Progress

MOST_FINDINGS = 40


def register(app: typer.Typer) -> None:
    app.command()(command(ValueOptions, value))


def value(options: ValueOptions) -> None:
    """Value providers' data by what it adds to a model: values, shares, and how sure they are."""
    spec, request = options.spec(), options.request()
    _check_writable(options.json_path, options.plot, options.rows)
    check_rows_path(options.rows)
    console = console_beside(options.json_path)
    noticed: list[tuple[str, Finding]] = []
    sources = RowSources() if options.rows is not None else None
    game: Evaluator | SmallLinear
    evaluator: Evaluator | None = None

    def notice(name: str, findings: Sequence[Finding]) -> None:
        noticed.extend((name, each) for each in findings)

    if sources is None and options.unlearning is None and leaves_the_choice(spec):
        game, digests = game_of(request, options.threads, notice)
    else:
        evaluator, digests = evaluator_of(request, options.threads, notice, sources)
        game = evaluator
    if evaluator is not None and sources is not None:
        check_rows(evaluator)
    if request.test_lot is not None:
        console.print(f"{len(game.problem.test)} rows measure, those by lot among them; nobody trains on these.")
    for line in finding_lines(noticed):
        console.print(line, soft_wrap=True, markup=False, highlight=False)
    result = replace(_valued(game, spec, console), digests=digests)
    show(result, console)
    if request.segments:
        _show_segments(result, console)
    pairs = said_pairs(game, result, console)
    _show_domains(game, options.test, console)
    _keep(as_json(result, request, noticed, pairs), result, options.json_path, options.plot, console)
    if evaluator is not None and options.rows is not None and sources is not None:
        write_values(evaluator, result, sources, options.rows, console)


def _show_domains(game: "Evaluator | SmallLinear", test: str, console: Console) -> None:
    """What a language model's worth means to people, by domain of its test set."""
    from worker.engine.evaluation.small_linear import SmallLinear

    if isinstance(game, SmallLinear) or game.learner.name != "lm":
        return
    from app.cli.valuing.text import domains
    from worker.jobs.domains import perplexities

    for row in perplexities(game, [file.stem for file in domains(Path(test))]):
        console.print(f"Perplexity per token on {row.domain}: {row.base:.2f} before, {row.full:.2f} with everybody.")


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
    rows = []
    for piece in sorted(result.shards, key=lambda each: each.name):
        value, error = (f"{number or 0.0:.5f}" for number in (piece.value, piece.stderr))
        rows.append((piece.owner, piece.name.removeprefix(f"{piece.owner}/"), str(piece.rows), value, error))
    headings = ("provider", "segment", "rows", "value", "std. error")
    print_table(console, headings, rows, names=("provider", "segment"))


def show(result: "ValuationResult", console: Console) -> None:
    """The table of players and the sentences that belong to it."""
    causes = ("test rows", "unlearning", "seeds") if any(player.parts for player in result.players) else ()
    columns = ("provider", "rows", "value", "std. error", "share", "95 % interval", *causes)
    rows = []
    for player in sorted(result.players, key=lambda p: -p.value):
        interval = stderr = ""
        if counts_doubt(player.value_ci):
            stderr = f"{player.stderr:.5f}"
            interval = "" if player.share_ci is None else " to ".join(f"{100 * end:.2f}" for end in player.share_ci)
        parts = astuple(player.parts) if player.parts is not None else [None] * len(causes)
        widths = ["" if width is None else f"{width:.1f}" for width in parts]
        share = percent(player.share)
        rows.append((player.provider, str(player.rows), f"{player.value:.5f}", stderr, share, interval, *widths))
    print_table(console, columns, rows)
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
