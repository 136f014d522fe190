"""The parts of ``cherish verify``: each compares one part of a stored result and says in a sentence what it found.

They change nothing. The engine is imported inside functions, so that other commands do not load torch.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from app.cli.valuing.local import leaves_the_choice
from app.cli.valuing.request import ValueRequest, engine_errors, parse_model
from app.errors import InvalidInput
from contract.learning.learners import LEARNERS
from contract.learning.methods import METHODS, default_method
from contract.names import unknown
from contract.orders.estimators import audited
from contract.proof.sealing import seal_fault

if TYPE_CHECKING:
    from contract.results.result import ValuationResult
    from worker.engine.evaluation.evaluator import Evaluator
    from worker.engine.evaluation.small_linear import SmallLinear

    Played = Evaluator | SmallLinear

# worths of like processors repeat bit for bit; another maker's round otherwise, by 6e-6 where it was measured
# (docs/reliability.md). What is under it moves no share by a hundredth of a point where data adds a tenth.
TOLERANCE = 3e-5
_DOUBT = ("players", "covariance", "chance")  # members that say how sure the values are
_NAMED = 3  # differences that a sentence names


@dataclass(frozen=True)
class Verdict:
    """Whether one part of a result holds, in a sentence; ``report`` holds what was measured for it."""

    match: bool
    sentence: str
    report: dict[str, Any] | None = None

    def plain(self) -> dict[str, Any]:
        """As ``--json`` writes it."""
        whole = {"match": self.match, "found": self.sentence}
        return whole if self.report is None else whole | {"report": self.report}


def named(fault: str, wrong: Sequence[str]) -> str:
    """A fault and the first few things that are wrong, in a sentence."""
    more = f", and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
    return f"{fault}: {'; '.join(wrong[:_NAMED])}{more}"


def seal(content: bytes) -> Verdict:
    """Whether the file's bytes are those that were sealed."""
    fault = seal_fault(content)
    return Verdict(True, "whole; spelled as it was written") if fault is None else Verdict(False, fault)


def versions(stored: dict[str, str], request: ValueRequest, *, accepted: bool) -> Verdict:
    """Whether the versions that made the result are those installed here."""
    here = request.to_json()["versions"]
    wrong = [
        f"{name} {stored.get(name)} (here {here.get(name)})"
        for name in {**here, **stored}
        if stored.get(name) != here.get(name)
    ]
    if not wrong:
        return Verdict(True, "made by the versions installed here")
    if accepted:
        return Verdict(True, f"made by other versions, as --other-versions accepts: {', '.join(wrong)}")
    mend = "install those, or pass --other-versions to compare within rounding"
    return Verdict(False, f"made by other versions: {', '.join(wrong)}; {mend}")


def request(stored: "ValuationResult", ordered: ValueRequest) -> Verdict:
    """Whether what was asked is what was answered."""
    pairs = {name: (getattr(ordered, name), getattr(stored.spec, name)) for name in ("metric", "mode", "seed")}
    wrong = [
        f"{name} {before!r} was asked and {after!r} answered"
        for name, (before, after) in pairs.items()
        if before != after
    ]
    names, paid = {name for name, _ in ordered.providers}, {player.provider for player in stored.players}
    wrong += [f"{name!r} was asked about or answered, not both" for name in sorted(names ^ paid)]
    wrong += _method_faults(stored, ordered)
    if wrong:
        return Verdict(False, "; ".join(wrong))
    told = ", ".join(f"{name} {value}" for name, value in asdict(stored.spec).items() if value is not None)
    return Verdict(True, f"{ordered.model}, {told}; compare that with what you asked for")


def _method_faults(stored: "ValuationResult", ordered: ValueRequest) -> list[str]:
    """What is wrong with the method of unlearning that a result names."""
    method, learner = stored.spec.unlearning, parse_model(ordered.model)[0]
    if method not in {"auto", *METHODS}:
        return [unknown("method of unlearning", method, ["auto", *METHODS])]
    if was_small(stored) and learner in LEARNERS and method != (usual := default_method(learner, stored.spec.mode)):
        return [f"unlearning by {method} is told of a game that was only trained anew, where it is {usual}"]
    return []


def was_small(stored: "ValuationResult") -> bool:
    """Whether a result is of a small game that was retrained in numpy: then it is verified without torch as well."""
    return set(stored.costs) == {"retrain"} and leaves_the_choice(stored.spec)


def estimate(stored: "ValuationResult") -> Verdict:
    """Whether everything shown follows from the stored worths."""
    from worker.engine.games.game import EvaluationFailed
    from worker.engine.proof.differences import differences, furthest
    from worker.engine.valuation import Impossible, recompute

    try:
        again = recompute(stored)
    except (EvaluationFailed, Impossible, ValueError) as cause:
        return Verdict(False, f"it cannot be repeated from the stored worths: {cause}", {"own_notes": []})
    # The game's own notes come last and are compared with the files (``game``).
    notes, own = list(stored.notes[: len(again.notes)]), list(stored.notes[len(again.notes) :])
    own_notes = {"own_notes": own}
    old, new = stored.to_dict() | {"notes": notes}, again.to_dict()
    wrong = list(differences(old, new))
    if wrong:
        return Verdict(False, named("it does not follow from the stored worths", list(map(str, wrong))), own_notes)
    gap = furthest(old, new)
    how = "the same to the last digit" if gap == 0.0 else f"the same to {gap:.1g}"
    return Verdict(True, f"repeated from {len(stored.worths)} stored worths, {how}", own_notes)


def files(
    stored: "ValuationResult", evaluator: "Played", digests: dict[str, str], late: Collection[str] = ()
) -> Verdict:
    """Whether the files are those that the result was computed from, rows counted; those that ``late`` names were given
    for this verification alone."""
    expected = {p.provider: (p.digest, p.rows) for p in stored.players}
    # where shards play, their owners are compared, and the shards follow from the owners' rows and the seed
    actual = {p.name: (p.digest, p.rows) for p in evaluator.owners or evaluator.players}
    wrong = [name for name in expected if actual.get(name) != expected[name]] + [
        name for name in actual if name not in expected
    ]
    shards = [(p.name, p.owner, p.digest, p.rows) for p in evaluator.players if evaluator.owners]
    if [(s.name, s.owner, s.digest, s.rows) for s in stored.shards] != shards:
        wrong.append("the shards")
    named_ones = [name for name in {**stored.digests, **digests} if name in stored.digests or name not in late]
    wrong += [name for name in named_ones if digests.get(name) != stored.digests.get(name)]
    if wrong:
        return Verdict(False, f"not those of the result: {', '.join(dict.fromkeys(wrong))}")
    return Verdict(True, f"the rows of {len(expected)} providers and the test set are those of the result")


def worths(stored: "ValuationResult", evaluator: "Played", retrainings: int, seed: int) -> Verdict:
    """Whether stored worths come out the same again: all cheap ones, and retrained ones by their influence."""
    from worker.engine.games.game import EvaluationFailed
    from worker.engine.proof.retries import SURE
    from worker.engine.proof.worths import recheck

    try:
        again = recheck(stored, evaluator, retrainings, np.random.default_rng(seed))
    except (EvaluationFailed, ValueError, LookupError) as cause:
        return Verdict(False, f"they cannot be computed again: {cause}")
    furthest = again.furthest()
    if furthest is None:
        return Verdict(True, "none asked for")
    if not furthest.gap <= TOLERANCE:
        row = furthest.row
        sentence = f"the {row.source} worth of {', '.join(row.coalition) or 'nobody'} is off by {furthest.gap:.3g}"
        return Verdict(False, f"{sentence} (seed {seed})")
    exactly = "" if furthest.gap == 0 else f" to {furthest.gap:.1g}"
    dear = again.dear
    sure = (
        f"others, changed so that a share moves by a point, would be missed with a probability of {dear.missed:.2g} at "
        f"most, if they are within {dear.deviations:g} usual deviations of the truth"
    )
    if dear.missed > SURE:
        sure += f" (--worths {dear.enough} makes it 5 %)"
    sentence = (
        f"{len(again.retries)} computed again, the same{exactly}; {dear.trained} of them by training anew, chosen by "
        f"their influence on the shares (seed {seed}): {sure}"
    )
    report = {"computed": len(again.retries), "retrained": dear.trained, "missed": dear.missed}
    return Verdict(True, sentence, report | {"deviations": dear.deviations, "enough": dear.enough, "seed": seed})


def game(stored: "ValuationResult", evaluator: "Played", notes: list[str], *, more: bool = False) -> Verdict:
    """Whether costs and the game's own ``notes`` are those of the game that the files make, which may offer ``more``
    ways to worths than the result's where it has more rows, other versions made it, or torch plays a small one."""
    from worker.engine.proof.differences import differences

    # counted in iterations of a solver, which may take one more or less on another processor
    stated: dict[str, float | None] = {**stored.costs, "a full retraining, in seconds": stored.unit_seconds}
    made = {source: evaluator.cost(source) if source in evaluator.sources else None for source in stored.costs}
    made["a full retraining, in seconds"] = evaluator.unit_seconds
    if not more:
        stated |= {name: None for name in evaluator.sources if name not in stated}
        made |= {name: evaluator.cost(name) for name in evaluator.sources}
    apart = {name for name, cost in made.items() if not _near(cost, stated[name])}
    same = {name: stated[name] for name in stated if name not in apart}
    wrong = list(differences({"costs": stated, "notes": notes}, {"costs": made | same, "notes": list(evaluator.notes)}))
    if wrong:
        return Verdict(False, named("not that of the files", list(map(str, wrong))))
    return Verdict(True, "costs and notes are those of the files")


def _near(made: float | None, stated: float | None) -> bool:
    """Whether two costs are the same up to a tenth."""
    return made is not None and stated is not None and abs(made - stated) <= 0.1 * max(abs(made), abs(stated))


def gain(stored: "ValuationResult", evaluator: "Played", *, accepted: bool = False) -> Verdict:
    """Whether the test of the gain comes out the same from the files: it needs the baseline and everybody's model. Only
    other versions that were ``accepted`` may have told of none."""
    from worker.engine.loop.gain import gain as tested
    from worker.engine.proof.differences import differences

    with engine_errors():
        again = tested(evaluator, stored.source, stored.spec.confidence)
    if stored.gain is None or again is None:
        told = "the result has no test of the gain"
        if again is not None and not accepted:
            return Verdict(False, f"{told}, and the files give one: {again.sentence()}")
        return Verdict(stored.gain is None, told)
    wrong = list(differences(asdict(stored.gain), asdict(again)))
    if wrong:
        return Verdict(False, named("it is not what the files give", list(map(str, wrong))))
    return Verdict(True, f"tested again, the same: {again.sentence()}")


def intervals(stored: "ValuationResult", evaluator: "Played", apart: Callable[[], Sequence[str]]) -> Verdict:
    """Whether the players' results, and what other test rows would change, come out again from all worths; ``apart``
    says, once these are computed, what does not of the pairs."""
    from worker.engine.proof.differences import differences
    from worker.engine.valuation import value

    with engine_errors():
        again = value(evaluator, stored.spec)
    old, new = stored.to_dict(), again.to_dict()
    wrong = [*map(str, differences({p: old[p] for p in _DOUBT}, {p: new[p] for p in _DOUBT})), *apart()]
    if wrong:
        return Verdict(False, named("computed again from all worths", wrong))
    return Verdict(True, f"all {len(again.worths)} worths computed again: the same intervals, test rows included")


def unchecked(*, with_files: bool, with_intervals: bool) -> list[str]:
    """What a verification cannot compute again, in words."""
    always = [
        "seconds, which were measured where the result was computed, and what follows from them alone",
        "what was asked and changed no number here: names and number of files, the device, a limit of seconds that was "
        "not reached, options without effect on these rows",
    ]
    if not with_files:
        missing = "the worths, rows, digests, costs, gain, chance of the test rows, findings and the game's notes"
        return [*always, f"{missing}, which take the files"]
    always += ["costs by less than a tenth"]
    tests = "the chance of the test rows and their part in intervals and in pairs' standard errors"
    return always if with_intervals else [*always, f"{tests}, which take --intervals"]


def audit(stored: "ValuationResult", evaluator: "Played") -> Verdict:
    """Retrain a few coalitions and compare the stored unlearned worths with them."""
    from worker.engine.estimators.design import audit_design
    from worker.engine.games.coalitions import classes_of
    from worker.engine.loop.audit import audit as measured

    if stored.audit.status != "unaudited":
        return Verdict(True, f"the result carries its own: {stored.audit.sentence}")
    from worker.engine.evaluation.small_linear import SmallLinear

    if isinstance(evaluator, SmallLinear) or "retrain" not in evaluator.sources:
        raise InvalidInput("an audit of a partial valuation retrains with the other rows: name them with --rest FILE")
    playing = [shard.name for shard in stored.shards] or [player.provider for player in stored.players]
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
    report = measured(stored.source, np.array(chosen), np.array(unlearned), retrained, rows, span)
    return Verdict(True, report.sentence, asdict(report))
