"""``cherish verify``: does a stored result follow from its worths, and are its worths true?

It repeats the estimate from the stored worths, computes some of them again from the files, and says whether both match.
With --audit it retrains a few coalitions of a result that was not audited. It changes nothing; exit code 1 on a
mismatch.
"""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from rich.console import Console

from app.cli.local import evaluator_of
from app.cli.request import ValueRequest, engine_errors, parse_providers
from app.cli.value import THREADS
from app.errors import InvalidInput
from contract.estimators import audited

if TYPE_CHECKING:
    from contract.result import PlayerResult, ValuationResult
    from worker.engine.evaluation.evaluator import Evaluator

TOLERANCE = 1e-9  # worths of the same device kind repeat bit for bit; another's may differ in the last digits
_GAIN = ("baseline", "full", "difference", "stderr", "lower", "p_value")

_Result = Annotated[Path, typer.Argument(help="A result that `cherish value --json` wrote.")]
_Providers = Annotated[list[str] | None, typer.Option("--provider", help="NAME=FILE; the files to compute from.")]
_Test = Annotated[str | None, typer.Option(help="The test set, where it is not where the result says.")]
_Rest = Annotated[str | None, typer.Option(help="Rows that belong to no player.")]
_Checkpoint = Annotated[str | None, typer.Option(help="Weights of the full model, where they are not where it says.")]
_Worths = Annotated[int, typer.Option(min=0, help="How many stored worths to compute again.")]
_Audit = Annotated[bool, typer.Option("--audit", help="Retrain a few coalitions of a result that is unaudited.")]
_Intervals = Annotated[
    bool, typer.Option("--intervals", help="Compute every worth again, and what other test rows would change.")
]
_Seed = Annotated[int, typer.Option(help="Chooses which worths are computed again.")]
_Json = Annotated[Path | None, typer.Option("--json", help="Where to write what was found.")]
_Threads = Annotated[int, typer.Option(min=1, help="Coalitions computed at a time.")]


@dataclass(frozen=True)
class Verdict:
    """Whether one part of a result holds, in a sentence; ``report`` is the audit that was made for it."""

    match: bool
    sentence: str
    report: dict[str, Any] | None = None

    def plain(self) -> dict[str, Any]:
        """As ``--json`` writes it."""
        whole = {"match": self.match, "found": self.sentence}
        return whole if self.report is None else whole | {"report": self.report}


def register(app: typer.Typer) -> None:
    app.command()(verify)


def verify(
    result: _Result,
    provider: _Providers = None,
    test: _Test = None,
    rest: _Rest = None,
    checkpoint: _Checkpoint = None,
    worths: _Worths = 5,
    audit: _Audit = False,
    intervals: _Intervals = False,
    seed: _Seed = 0,
    json_path: _Json = None,
    threads: _Threads = THREADS,
) -> None:
    """Check a result: its estimate against its worths, and random worths against the files."""
    stored, request = _read(result)
    console = Console()
    verdicts: dict[str, Verdict] = {}

    def record(part: str, verdict: Verdict) -> bool:
        verdicts[part] = verdict
        console.print(f"{part.capitalize()}: {verdict.sentence}", soft_wrap=True)
        return verdict.match

    record("estimate", _estimate(stored))
    if provider:
        request = replace(
            request,
            providers=parse_providers(provider),
            test=test or request.test,
            rest=rest or request.rest,
            checkpoint=checkpoint or request.checkpoint,
        )
        evaluator, digests = evaluator_of(request, threads)
        if record("files", _files(stored, evaluator, digests)):
            record("worths", _worths(stored, evaluator, worths, seed))
            record("gain", _gain(stored, evaluator))
            if intervals:
                record("intervals", _intervals(stored, evaluator))
            if audit:
                record("audit", _audit(stored, evaluator))
    elif audit or worths:
        console.print("Worths: not computed again; name the files with --provider NAME=FILE.", soft_wrap=True)
    matches = all(verdict.match for verdict in verdicts.values())
    if json_path is not None:
        whole = {"match": matches} | {part: verdict.plain() for part, verdict in verdicts.items()}
        json_path.write_text(json.dumps(whole, indent=1) + "\n")
    console.print("The result holds." if matches else "The result does NOT hold.")
    if not matches:
        raise typer.Exit(1)


def _read(path: Path) -> "tuple[ValuationResult, ValueRequest]":
    from contract.result import ValuationResult

    if not path.is_file():
        raise InvalidInput(f"there is no file {path}; name a result that `cherish value --json` wrote")
    try:
        data = json.loads(path.read_bytes())
        stored = ValuationResult.from_dict(data)
    except (ValueError, UnicodeDecodeError) as refused:
        raise InvalidInput(f"{path}: {refused}") from refused
    request = data.get("request")
    if not isinstance(request, dict):
        raise InvalidInput(f"{path}: it does not say what was asked; write it with `cherish value --json`")
    return stored, ValueRequest.from_json(request)


def _estimate(stored: "ValuationResult") -> Verdict:
    """Whether values, intervals, audit and counts follow from the stored worths."""
    from worker.engine.games.game import EvaluationFailed
    from worker.engine.valuation import recompute

    try:
        again = recompute(stored)
    except (EvaluationFailed, ValueError) as cause:
        return Verdict(False, f"it cannot be repeated from the stored worths: {cause}")
    old, new = stored.to_dict(), again.to_dict()
    if json.dumps(old, sort_keys=True) == json.dumps(new, sort_keys=True):
        return Verdict(True, f"repeated from {len(stored.worths)} stored worths, the same to the last digit")
    names = [player.provider for player in stored.players]
    before = np.array([[p.value, p.stderr, p.share or 0.0, *p.value_ci] for p in stored.players])
    after = np.array([[p.value, p.stderr, p.share or 0.0, *p.value_ci] for p in again.players])
    furthest = int(np.argmax(np.abs(before - after).max(axis=1)))
    gap = float(np.abs(before - after).max())
    rest = [name for name in old if name not in ("players", "covariance", "trace") and old[name] != new[name]]
    if gap <= TOLERANCE and not set(rest) - {"audit", "bake_off"}:
        return Verdict(True, f"repeated from the stored worths, the same to {gap:.1g}")
    where = f"; other fields that differ: {', '.join(rest)}" if rest else ""
    return Verdict(False, f"it does not follow from the stored worths: {names[furthest]} is off by {gap:.3g}{where}")


def _files(stored: "ValuationResult", evaluator: "Evaluator", digests: dict[str, str]) -> Verdict:
    """Whether the files are those that the result was computed from."""
    expected = {p.provider: p.digest for p in stored.players}
    # where shards play, their owners are compared: shards follow from the owners' rows and the seed
    given = {p.name: p.digest for p in evaluator.owners or evaluator.players}
    wrong = [name for name in expected if given.get(name) != expected[name]] + [
        name for name in given if name not in expected
    ]
    # The rest may be given only now, for an audit: what the result did not have is not compared.
    wrong += [name for name in digests if name in stored.digests and stored.digests[name] != digests[name]]
    if wrong:
        return Verdict(False, f"not those of the result: {', '.join(dict.fromkeys(wrong))}")
    return Verdict(True, f"the rows of {len(expected)} providers and the test set are those of the result")


def _coalition(stored: "ValuationResult", names: tuple[str, ...]) -> Any:
    kept = set(names)
    return np.array([[name in kept for name in _players(stored)]])


def _players(stored: "ValuationResult") -> list[str]:
    """Who plays: the shards where there are any, else those who are paid."""
    return [shard.name for shard in stored.shards] or [player.provider for player in stored.players]


def _worths(stored: "ValuationResult", evaluator: "Evaluator", count: int, seed: int) -> Verdict:
    """Whether randomly chosen stored worths come out the same again; each fidelity gets its turn."""
    rng = np.random.default_rng(seed)
    order = [stored.worths[i] for i in rng.permutation(len(stored.worths))]
    sources = list(dict.fromkeys(row.source for row in stored.worths))
    chosen = [
        row for turn in range(count) for s in sources for row in [r for r in order if r.source == s][turn : turn + 1]
    ]
    chosen = chosen[:count]
    gaps = []
    with engine_errors():
        for row in chosen:
            again = float(evaluator.worth(row.source, _coalition(stored, row.coalition))[0])
            gaps.append((abs(again - row.worth), row))
    if not gaps:
        return Verdict(True, "none asked for")
    gap, row = max(gaps, key=lambda pair: pair[0])
    if gap <= TOLERANCE:
        return Verdict(True, f"{len(gaps)} computed again, the same{'' if gap == 0 else f' to {gap:.1g}'}")
    sentence = f"the {row.source} worth of {', '.join(row.coalition) or 'nobody'} is off by {gap:.3g}"
    return Verdict(False, sentence)


def _gain(stored: "ValuationResult", evaluator: "Evaluator") -> Verdict:
    """Whether the test of the gain comes out the same from the files: it needs the baseline and everybody's model."""
    from worker.engine.loop.gain import gain

    with engine_errors():
        again = gain(evaluator, stored.source, stored.spec.confidence)
    if stored.gain is None or again is None:
        return Verdict(stored.gain is None, "the result has no test of the gain")
    gaps = [abs(getattr(again, name) - getattr(stored.gain, name)) for name in _GAIN]
    if max(gaps) <= TOLERANCE and again.gained == stored.gain.gained:
        return Verdict(True, f"tested again, the same: {again.sentence()}")
    return Verdict(False, f"it is not what the files give: {again.sentence()}")


def _intervals(stored: "ValuationResult", evaluator: "Evaluator") -> Verdict:
    """Whether the whole result comes out again, with what other test rows would change and its seeds."""
    from worker.engine.valuation import value

    with engine_errors():
        again = value(evaluator, stored.spec)
    if (stored.chance is None) != (again.chance is None):
        return Verdict(False, "what other test rows would change is missing, or was not measured")
    pairs = zip(stored.players, again.players, strict=True)
    gaps = [abs(a - b) for old, new in pairs for a, b in zip(_ends(old), _ends(new), strict=True)]
    if stored.chance is not None and again.chance is not None:
        old, new = np.array(stored.chance.covariance), np.array(again.chance.covariance)
        gaps += [float(np.abs(old - new).max()), abs(stored.chance.apart - again.chance.apart)]
    if max(gaps) <= TOLERANCE:
        return Verdict(True, f"all {len(again.worths)} worths computed again: the same intervals, test rows included")
    return Verdict(False, f"computed again from all worths they are off by {max(gaps):.3g}")


def _ends(player: "PlayerResult") -> tuple[float, ...]:
    return (*player.value_ci, *player.value_band, *(player.share_ci or ()), *(player.share_band or ()))


def _audit(stored: "ValuationResult", evaluator: "Evaluator") -> Verdict:
    """Retrain a few coalitions and compare the stored unlearned worths with them."""
    from worker.engine.estimators.design import audit_design
    from worker.engine.games.coalitions import classes_of
    from worker.engine.loop.audit import audit

    if stored.audit.status != "unaudited":
        return Verdict(True, f"the result carries its own: {stored.audit.sentence}")
    if "retrain" not in evaluator.sources:
        raise InvalidInput("an audit of a partial valuation retrains with the other rows: name them with --rest FILE")
    playing = _players(stored)
    known = {row.coalition: row.worth for row in stored.worths if row.source == stored.source}
    rows = np.array([p.rows for p in stored.shards or stored.players], dtype=np.float64)
    generator = np.random.default_rng(stored.spec.seed)
    plan = audit_design(rows, classes_of(evaluator.players), len(known), generator)[1]
    chosen, unlearned = [], []
    for row in evaluator.canonical(plan):
        names = tuple(name for name, kept in zip(playing, row, strict=True) if kept)
        if names in known:
            chosen.append(row)
            unlearned.append(known[names])
        if len(chosen) >= audited(len(playing)):
            break
    if not chosen:
        raise InvalidInput("the result holds no coalition that an audit could retrain")
    with engine_errors():
        retrained = evaluator.worth("retrain", np.array(chosen))
    span = stored.full_worth - stored.empty_worth
    report = audit(stored.source, np.array(chosen), np.array(unlearned), retrained, rows, span)
    return Verdict(True, report.sentence, asdict(report))
