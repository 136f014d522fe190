"""``cherish verify``: does a stored result follow from its worths, and are its worths true?

It repeats everything that the file shows from the stored worths, computes worths again from the providers' files, and
says whether both match and what was not checked. With --audit it retrains a few coalitions of a result that was not
audited. It changes nothing; exit code 1 on a mismatch.
"""

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.output import console_beside, write_document
from app.cli.proving import beside, proof, verdicts
from app.cli.proving.verdicts import Verdict
from app.cli.valuing.local import game_of
from app.cli.valuing.options import THREADS
from app.cli.valuing.request import ValueRequest, parse_providers
from app.errors import InvalidInput
from contract.rows.findings import Finding

if TYPE_CHECKING:
    from contract.results.result import ValuationResult

_RETRIED = 20  # models that are trained again where nobody says how many

_Result = Annotated[
    Path, typer.Argument(help="A result that `cherish value --json` wrote, a certificate, or a provider's proofs.")
]
_Evidence = Annotated[
    Path | None,
    typer.Argument(help="Of a certificate: the job's evidence (a zip). Of a provider's proofs: the certificate."),
]
_Key = Annotated[str | None, typer.Option(help="The service's public key, from where you trust it.")]
_Providers = Annotated[list[str] | None, typer.Option("--provider", help="NAME=FILE; the files to compute from.")]
_Test = Annotated[str | None, typer.Option(help="The test set, where it is not where the result says.")]
_Rest = Annotated[str | None, typer.Option(help="Rows that belong to no player.")]
_Checkpoint = Annotated[str | None, typer.Option(help="Weights of the full model, where they are not where it says.")]
_Worths = Annotated[
    int | None,
    typer.Option(
        min=0, help="How many models to train again at most, besides cheap worths (default: 20; all of a small game)."
    ),
]
_Audit = Annotated[bool, typer.Option("--audit", help="Retrain a few coalitions of a result that is unaudited.")]
_Intervals = Annotated[
    bool, typer.Option("--intervals", help="Compute every worth again, and what other test rows would change.")
]
_Seed = Annotated[int | None, typer.Option(help="Chooses which worths are computed again; by chance without one.")]
_Json = Annotated[Path | None, typer.Option("--json", help="Where to write what was found; - is standard output.")]
_Threads = Annotated[int, typer.Option(min=1, help="Coalitions computed at a time.")]
_OtherVersions = Annotated[
    bool, typer.Option("--other-versions", help="Accept that other versions than those here made the result.")
]

_ByTorch = Annotated[
    bool,
    typer.Option(
        "--by-torch",
        help="Compute a small game's worths by torch, as the service does: one way of computing checks the other.",
    ),
]


@dataclass(frozen=True)
class StoredFile:
    """A result as its file holds it: the bytes, the result, what was asked, and the versions that made it."""

    content: bytes
    result: "ValuationResult"
    request: ValueRequest
    versions: dict[str, str]


def register(app: typer.Typer) -> None:
    app.command()(verify)


def verify(
    result: _Result,
    evidence: _Evidence = None,
    provider: _Providers = None,
    test: _Test = None,
    rest: _Rest = None,
    checkpoint: _Checkpoint = None,
    worths: _Worths = None,
    audit: _Audit = False,
    intervals: _Intervals = False,
    seed: _Seed = None,
    json_path: _Json = None,
    threads: _Threads = THREADS,
    other_versions: _OtherVersions = False,
    key: _Key = None,
    by_torch: _ByTorch = False,
) -> None:
    """Check a result: all that it shows against its worths, and the worths that matter against the files; or a job's
    certificate, against the evidence that it commits to."""
    if result.is_file() and proof.is_signed(result.read_bytes()):
        if provider or audit or intervals:
            raise InvalidInput("a certificate is checked against evidence, not files; leave the options for files out")
        _signed(result, evidence, key, json_path)
        return
    if evidence is not None or key is not None:
        raise InvalidInput(
            f"{result}: only a certificate, or a provider's proofs, has evidence and a key to be checked by"
        )
    if audit and not provider:
        raise InvalidInput("an audit trains models: name the providers' files with --provider NAME=FILE")
    file, checks = read_result(result), _Checks(json_path)
    checks.record("seal", verdicts.seal(file.content))
    checks.record("versions", verdicts.versions(file.versions, file.request, accepted=other_versions))
    formed = checks.record("form", beside.form(file.content, file.result, file.request, accepted=other_versions))
    checks.record("request", verdicts.request(file.result, file.request))
    estimate = verdicts.estimate(file.result)
    checks.record("estimate", estimate)
    if formed:
        checks.record("pairs", beside.pairs(file.content, file.result))
    if provider and formed:
        own = file.request
        request = replace(own, test=test or own.test, rest=rest or own.rest, checkpoint=checkpoint or own.checkpoint)
        request = replace(request, providers=parse_providers(provider))
        # a small game's models take less than choosing among them, and are all trained again
        small = verdicts.was_small(file.result)
        intervals = intervals or (small and worths is None)
        wanted = Wanted(
            request,
            (len(file.result.worths) if small else _RETRIED) if worths is None else worths,
            # nobody who made the file can have known which worths would be chosen
            secrets.randbits(48) if seed is None else seed,
            threads,
            small=small and not by_torch,
            intervals=intervals,
            audit=audit,
            accepted=other_versions,
        )
        _check_files(file, wanted, checks, (estimate.report or {})["own_notes"])
    unchecked = verdicts.unchecked(with_files=bool(provider), with_intervals=intervals)
    matches = checks.end(unchecked)
    checks.console.print(_conclusion(matches, with_files=bool(provider)))
    if not matches:
        raise typer.Exit(1)


class _Checks:
    """The verdicts of one call: each is printed when it comes, and all are written at the end."""

    def __init__(self, json_path: Path | None) -> None:
        self.console = console_beside(json_path)
        self._json_path = json_path
        self._verdicts: dict[str, Verdict] = {}

    def record(self, part: str, verdict: Verdict) -> bool:
        self._verdicts[part] = verdict
        self.console.print(f"{part.capitalize()}: {verdict.sentence}", soft_wrap=True)
        return verdict.match

    def end(self, unchecked: Sequence[str]) -> bool:
        """Say what was not checked, write all where a file is named for it; whether everything matches."""
        if unchecked:
            self.console.print(f"Not checked: {'; '.join(unchecked)}.", soft_wrap=True)
        matches = all(verdict.match for verdict in self._verdicts.values())
        if self._json_path is not None:
            whole = {"match": matches, "not_checked": unchecked}
            plain = {part: verdict.plain() for part, verdict in self._verdicts.items()}
            write_document((json.dumps(whole | plain, indent=1) + "\n").encode(), self._json_path, self.console)
        return matches


@dataclass(frozen=True)
class Wanted:
    """How much of a result is computed again from the files that ``request`` names: at most ``worths`` models, which
    ``chance`` chooses."""

    request: ValueRequest
    worths: int
    chance: int
    threads: int
    small: bool
    intervals: bool
    audit: bool
    accepted: bool


def _check_files(file: StoredFile, wanted: Wanted, checks: _Checks, notes: Any) -> None:
    """Whether worths, and what follows from the providers' files beside them, come out alike; ``notes`` are the game's
    own."""
    noticed: list[tuple[str, Finding]] = []

    def notice(name: str, findings: Sequence[Finding]) -> None:
        noticed.extend((name, each) for each in findings)

    evaluator, digests = game_of(wanted.request, wanted.threads, notice, small=wanted.small)
    stored, own = file.result, file.request
    late = ["rest"] if own.rest is None and wanted.request.rest is not None else []
    if not checks.record("files", verdicts.files(stored, evaluator, digests, late)):
        return
    checks.record("findings", beside.findings(file.content, own, wanted.request, noticed))
    checks.record("worths", verdicts.worths(stored, evaluator, wanted.worths, wanted.chance))
    checks.record("gain", verdicts.gain(stored, evaluator, accepted=wanted.accepted))
    checks.record("chance", beside.chance(stored, evaluator, accepted=wanted.accepted))
    if wanted.intervals:
        apart = partial(beside.pairs_with_test_rows, file.content, stored, evaluator)
        checks.record("intervals", verdicts.intervals(stored, evaluator, apart))
    more = bool(late) or wanted.accepted or (verdicts.was_small(stored) and not wanted.small)
    checks.record("game", verdicts.game(stored, evaluator, notes, more=more))
    if wanted.audit:
        checks.record("audit", verdicts.audit(stored, evaluator))


def _signed(file: Path, evidence: Path | None, key: str | None, json_path: Path | None) -> None:
    """Check a certificate against its evidence, or a provider's proofs; exit code 1 on a mismatch."""
    if evidence is not None and not evidence.is_file():
        raise InvalidInput(f"there is no file {evidence}; name the evidence of the certificate's job")
    checks = _Checks(json_path)
    matches = checks.end(proof.check(file.read_bytes(), evidence, key, checks.record))
    checks.console.print("It holds, as far as it was checked." if matches else "It does NOT hold.")
    if not matches:
        raise typer.Exit(1)


def _conclusion(matches: bool, *, with_files: bool) -> str:
    if not matches:
        return "The result does NOT hold."
    if with_files:
        return "The result holds."
    return "The result follows from its worths. Whether they are true takes the files: --provider NAME=FILE."


def read_result(path: Path) -> StoredFile:
    """A result as `cherish value --json` wrote it; raises InvalidInput."""
    from contract.results.result import ValuationResult

    if not path.is_file():
        raise InvalidInput(f"there is no file {path}; name a result that `cherish value --json` wrote")
    content = path.read_bytes()
    try:
        data = json.loads(content)
        stored = ValuationResult.from_dict(data)
    except (ValueError, UnicodeDecodeError) as refused:
        raise InvalidInput(f"{path}: {refused}") from refused
    request = data.get("request")
    if not isinstance(request, dict):
        raise InvalidInput(f"{path}: it does not say what was asked; write it with `cherish value --json`")
    versions = request.get("versions")
    if not isinstance(versions, dict):
        raise InvalidInput(f"{path}: it does not say which versions made it; write it with `cherish value --json`")
    return StoredFile(content, stored, ValueRequest.from_json(request), versions)
