"""The parts of ``cherish verify`` that look at what stands beside the answer in a result's file: members that nobody
wrote or somebody took out, pairs of players, what was noticed of the files, and that the test rows' chance is told.

They change nothing. The engine is imported inside functions, so that other commands do not load torch.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from app.cli.proving.verdicts import Verdict, named
from app.cli.valuing.request import ValueRequest, engine_errors
from contract.document import canonical_json
from contract.orders.spec import LATER_RULES
from contract.proof.sealing import SEAL
from contract.results.interactions import Interactions
from contract.rows.findings import Finding

if TYPE_CHECKING:
    from contract.results.result import ValuationResult
    from worker.engine.evaluation.evaluator import Evaluator
    from worker.engine.evaluation.small_linear import SmallLinear

    Played = Evaluator | SmallLinear
_SURPLUS = 1e-6  # of a standard error: what rounding may make it smaller by


def form(content: bytes, stored: "ValuationResult", asked: ValueRequest, *, accepted: bool) -> Verdict:
    """Whether the file has each member that a result has, no other, and each of its kind; of a result by other versions
    that were ``accepted``, members may be missing."""
    data = json.loads(content)
    try:
        noticed = [{"file": str(each["file"]), **_finding(each).plain()} for each in data.get("findings", [])]
        pairs = asdict(_pairs_of(data) or Interactions())
    except (KeyError, TypeError, ValueError) as cause:
        return Verdict(False, f"its findings or pairs are not those of a result: {cause}")
    request = {**asked.to_json(), "versions": data["request"]["versions"]}
    whole = {**asdict(stored), "request": request, "findings": noticed, "pairs": pairs}
    written = {name: member for name, member in data.items() if name not in SEAL}
    # whoever writes results follows all of the loop's rules; those from before one say nothing of it
    left = [rule for rule in LATER_RULES if not getattr(stored.spec, rule)]
    wrong = [] if accepted else [f"spec.{rule} is false, which no result of these versions is" for rule in left]
    wrong += list(_apart(written, json.loads(canonical_json(whole)), "", accepted=accepted))
    if wrong:
        return Verdict(False, named("it is not as results are written", wrong))
    return Verdict(True, "every member of a result, and no other")


def _finding(plain: Mapping[str, Any]) -> Finding:
    return Finding.read({name: member for name, member in plain.items() if name != "file"})


def _pairs_of(data: Mapping[str, Any]) -> Interactions | None:
    """The pairs that a file shows; raises ValueError where they are none."""
    if "pairs" not in data:
        return None
    pairs: Interactions = _reader().validate_python(data["pairs"])
    return pairs


@cache
def _reader() -> TypeAdapter[Interactions]:
    return TypeAdapter(Interactions)


def _apart(written: Any, known: Any, path: str, *, accepted: bool) -> Iterator[str]:
    """Where plain JSON is not what its own reader makes of it: members missing, unknown, or of another kind."""
    if isinstance(written, dict) and isinstance(known, dict):
        for name in sorted({*written, *known}):
            at = f"{path}.{name}" if path else name
            if name not in known:
                yield f"{at} is no member of a result"
            elif name in written:
                yield from _apart(written[name], known[name], at, accepted=accepted)
            elif not accepted:
                yield f"{at} is missing"
    elif isinstance(written, list) and isinstance(known, list) and len(written) == len(known):
        for position, (left, right) in enumerate(zip(written, known, strict=True)):
            yield from _apart(left, right, f"{path}[{position}]", accepted=accepted)
    elif written != known or isinstance(written, bool) is not isinstance(known, bool):
        yield f"{path} is {written!r:.60} and is read as {known!r:.60}"


def pairs(content: bytes, stored: "ValuationResult") -> Verdict:
    """Whether the pairs follow from the stored worths: all but how much of their standard errors is test rows'."""
    from worker.engine.games.game import EvaluationFailed
    from worker.engine.loop.interactions import interactions
    from worker.engine.loop.recorded import RecordedGame
    from worker.engine.proof.differences import differences

    shown = _pairs_of(json.loads(content))
    if shown is None:
        return Verdict(True, "the result tells none")
    try:
        again = interactions(RecordedGame(stored), stored)
    except (EvaluationFailed, ValueError, IndexError) as cause:
        return Verdict(False, f"they cannot be repeated from the stored worths: {cause}")
    wrong = [
        str(each)
        for each in differences(asdict(shown), asdict(_with_errors(again, shown, stored.spec.confidence)), "pairs")
    ]
    if wrong:
        return Verdict(False, named("they do not follow from the stored worths", wrong))
    return Verdict(True, f"{len(shown.pairs)} repeated from the stored worths")


def _with_errors(again: Interactions, shown: Interactions, confidence: float) -> Interactions:
    """The same pairs with the standard errors that are shown, where these are not smaller, and intervals by them."""
    from worker.engine.loop.interactions import pair_of

    errors = [
        max(own.stderr * (1.0 - _SURPLUS), told.stderr) for own, told in zip(again.pairs, shown.pairs, strict=False)
    ]
    made = [
        pair_of(each.first, each.second, each.value, error, confidence)
        for each, error in zip(again.pairs, errors, strict=False)
    ]
    return replace(again, pairs=(*made, *again.pairs[len(made) :]))


def pairs_with_test_rows(content: bytes, stored: "ValuationResult", evaluator: "Played") -> list[str]:
    """What is not the same of the pairs where all worths, and test rows' part in them, are computed again."""
    from worker.engine.loop.interactions import interactions
    from worker.engine.proof.differences import differences

    shown = _pairs_of(json.loads(content))
    if shown is None:
        return []
    with engine_errors():
        again = interactions(evaluator, stored)
    return [str(each) for each in differences(asdict(shown), asdict(again), "pairs")]


def findings(content: bytes, own: ValueRequest, given: ValueRequest, noticed: Sequence[tuple[str, Finding]]) -> Verdict:
    """Whether what was noticed of the files is noticed of those that were ``given`` now, wherever these are."""
    from worker.engine.proof.differences import differences

    shown = _placed([*json.loads(content).get("findings", [])], own)
    again = _placed([{"file": name, **finding.plain()} for name, finding in noticed], given)
    wrong = [str(each) for each in differences(shown, again, "findings")]
    if wrong:
        return Verdict(False, named("not what the files give", wrong))
    return Verdict(True, f"{len(again)} of the files, the same")


def _placed(plain: list[dict[str, Any]], asked: ValueRequest) -> list[dict[str, Any]]:
    """Findings with each file named by its place in the request: the same file may lie elsewhere now."""
    paths = [
        *dict.fromkeys([*(file for _, file in asked.providers), asked.test, *([asked.rest] if asked.rest else [])])
    ]
    places = sorted(enumerate(paths), key=lambda each: -len(each[1]))

    def said(text: Any) -> Any:
        if isinstance(text, str):
            for place, path in places:
                text = text.replace(path, f"file {place}")
        return text

    return [{name: said(member) for name, member in each.items()} for each in plain]


def chance(stored: "ValuationResult", evaluator: "Played", *, accepted: bool) -> Verdict:
    """Whether the test rows' chance is told where the game has test rows, and of as many. Only other versions that were
    ``accepted`` may have told of none."""
    from worker.engine.games.measured import Measured

    with engine_errors():
        ends = evaluator.ends(stored.source) if isinstance(evaluator, Measured) else None
    units = None if ends is None else (ends.influences.shape[1], ends.within)
    told = None if stored.chance is None else (stored.chance.units, stored.chance.within)
    if told != units and not (told is None and accepted):
        words = [f"of {each[0]} test units" if each else "no chance of test units" for each in (told, units)]
        return Verdict(False, f"the result tells {words[0]} (groups apart), the files {words[1]}")
    return Verdict(True, "told of every test unit" if units else "the game has no test units")
