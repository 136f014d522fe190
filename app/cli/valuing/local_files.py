"""Files on this machine, read in the sandbox as the service reads an order's: the same rules, findings and words.

Whoever computes reads the rows again, in its own process, once the sandbox has accepted every file; as workers do.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from app.cli.valuing.request import ValueRequest
from app.datasets.table_limits import limits_of
from app.errors import InvalidInput
from app.sandbox import process
from app.settings import Settings
from app.valuations.orders.unfit import left_out
from contract.orders.fit import FilesRead, FitQuestion, FitRequest, Offer
from contract.rows.features import FeatureChoice
from contract.rows.files import InputFile
from contract.rows.findings import Finding
from contract.rows.reading import TargetIs

READ = process.declare("app.valuations.orders.job_files:answer")
Notice = Callable[[str, Sequence[Finding]], None]


def unnoticed(_name: str, _findings: Sequence[Finding]) -> None:
    """For those who show no findings."""


@dataclass(frozen=True)
class LocalFile:
    """One file: what errors call it, where it is, whose it is (None: nobody's), how the request names it where it
    declares how it is read, and its format ("": as its bytes say)."""

    name: str
    path: Path
    player: str | None
    named: str
    format: str = ""


def the_test_set(request: ValueRequest) -> LocalFile:
    """The request's test set."""
    return LocalFile("the test set", Path(request.test), None, request.test)


def provider_files(request: ValueRequest) -> list[LocalFile]:
    """The request's files of players, in its order."""
    return [LocalFile(f"{player} ({file})", Path(file), player, file) for player, file in request.providers]


def read_together(
    request: ValueRequest,
    kind: str,
    test: LocalFile,
    others: Sequence[LocalFile],
    notice: Notice = unnoticed,
    formats: Mapping[str, str] | None = None,
    target_is: TargetIs | None = None,
) -> tuple[FilesRead, list[LocalFile]]:
    """What the sandbox says of the files, and those of ``others`` that are used: all of them, but for what the request
    lets be left out. ``formats`` are those that a file's suffix says, ``target_is`` what the target is predicted as.

    Raises InvalidData, InvalidInput.
    """
    keyed = {str(at): file for at, file in enumerate(others)}
    settings = Settings()
    question = FitQuestion(
        kind=kind,
        test=_input(request, "test", test, formats),
        files={key: _input(request, key, file, formats) for key, file in keyed.items()},
        members=_offers(keyed),
        copies="separate",
        uploaded={},
        limits=asdict(limits_of(settings)),
        image_size=request.image_size,
        by_name=bool(request.checkpoint),
        features=FeatureChoice.read(request.features),
        label_map=dict(request.label_map),
        missing_labels=request.missing_labels,
        drop_unfit=request.drop_unfit,
        own=True,
        target_is=target_is,
        segments=request.segments,
    )
    paths = {key: str(file.path.resolve()) for key, file in {**keyed, "test": test}.items()}
    fit_request = FitRequest(question=question, name="the files", paths=paths, tokenizer=None)
    reply = process.shared().ask(
        {"task": READ, **fit_request.plain()},
        files=[Path(path) for path in paths.values()],
        memory_bytes=settings.fit_memory_bytes,
        seconds=settings.parse_seconds,
    )
    answer = FilesRead.read(reply)
    for said in (*(left_out(each) for each in answer.unfit), *answer.findings):
        file = test if said.dataset is None else keyed[said.dataset]
        notice(file.name, [said.finding])
    dropped = {each.dataset for each in answer.unfit}
    return answer, [file for key, file in keyed.items() if key not in dropped]


def _input(request: ValueRequest, key: str, file: LocalFile, formats: Mapping[str, str] | None) -> InputFile:
    if not file.path.is_file():
        raise InvalidInput(f"{file.name}: there is no file {file.path}; check the path")
    return InputFile(
        name=file.name,
        digest=key,
        format=file.format or (formats or {}).get(file.path.suffix, ""),
        target=request.target,
        reading=request.reading(file.named),
        group=request.test_group if key == "test" else "",
    )


def _offers(keyed: Mapping[str, LocalFile]) -> tuple[Offer, ...]:
    players = dict.fromkeys(file.player for file in keyed.values() if file.player is not None)
    return tuple(
        Offer(name=player, shown=player, datasets=tuple(key for key, file in keyed.items() if file.player == player))
        for player in players
    )
