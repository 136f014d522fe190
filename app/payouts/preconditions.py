"""What has to hold of a whole job before anybody is paid: something was gained, and the worths were audited. Pure.

It looks at no player's value and divides nothing: ``policies`` does, where every precondition is met. Terms can waive
each (``pay_without_gain``, ``pay_unaudited``); orders from before these rules have waived both.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from app.errors import InvalidInput
from contract.results.result import Gain


@dataclass(frozen=True)
class JobOutcome:
    """What a valuation says of the job as a whole.

    ``gain`` None: no test of it was made. ``no_shares`` says why the result has values but no shares; None: it has.
    """

    empty_worth: float | None = None
    full_worth: float | None = None
    gain: Gain | None = None
    audited: bool = True
    no_shares: str | None = None
    # the answers of its models were too large to be kept, so that no test of the gain could be made
    untested: bool = False
    # why this job divides no pool, whatever it found; None: it does
    undivided: "PayoutCondition | None" = None


@dataclass(frozen=True)
class PayoutCondition:
    """One rule and what is said of it: ``sentence`` in the explanation; ``reason``, where it is not met, on each
    player's line; ``reference``, then, in the buyer's statement (200 characters at most)."""

    met: bool
    sentence: str
    reason: str = ""
    reference: str = ""


def preconditions(outcome: JobOutcome, *, pay_without_gain: bool, pay_unaudited: bool) -> list[PayoutCondition]:
    """The rules that apply, in the order in which they are looked at; those that are waived are not among them."""
    return [*_shared(outcome), *([] if pay_without_gain else [_gained(outcome)]), *_audited(outcome, pay_unaudited)]


def _shared(outcome: JobOutcome) -> Iterator[PayoutCondition]:
    if outcome.undivided is not None:
        yield outcome.undivided
    if outcome.no_shares is not None:
        yield PayoutCondition(
            met=False,
            sentence=outcome.no_shares,
            reason="nothing: this job has no shares",
            reference="this job has no shares, so nobody is paid",
        )


def _gained(outcome: JobOutcome) -> PayoutCondition:
    gain = outcome.gain
    if gain is None and outcome.untested:
        return PayoutCondition(
            met=False,
            sentence="No gain, no pay: the models' answers on the test rows were too large to be kept, so whether "
            "there is a gain could not be tested, and its order pays for a gain only.",
            reason="nothing: the gain could not be tested, so nobody is paid",
            reference="the gain could not be tested, so nobody is paid",
        )
    if gain is not None:
        gained, sentence = gain.gained, gain.sentence()
    else:
        if outcome.empty_worth is None or outcome.full_worth is None:
            raise InvalidInput(
                "these terms pay only for a gain, and the result has neither a test of it nor the worths of nobody "
                "and of everybody; set pay_without_gain where it is to be paid all the same"
            )
        gained = outcome.full_worth > outcome.empty_worth
        ends = f"{outcome.empty_worth:.4f} with nobody's data, {outcome.full_worth:.4f} with everybody's"
        sentence = f"The gain was not tested; the model scores {ends}{'' if gained else ', which is no gain'}."
    if gained:
        return PayoutCondition(met=True, sentence=sentence)
    return PayoutCondition(
        met=False,
        sentence=f"No gain, no pay: {sentence[0].lower()}{sentence[1:]}",
        reason="nothing: the model gained nothing over the baseline, so nobody is paid",
        reference="no gain over the baseline, so nobody is paid",
    )


def _audited(outcome: JobOutcome, pay_unaudited: bool) -> Iterator[PayoutCondition]:
    if not (outcome.audited or pay_unaudited):
        yield PayoutCondition(
            met=False,
            sentence="The error of unlearning was not measured in this job (it is not audited), and its order pays "
            "for audited values only.",
            reason="nothing: the values are not audited, and the order pays for audited values only",
            reference="the values are not audited, so nobody is paid",
        )
