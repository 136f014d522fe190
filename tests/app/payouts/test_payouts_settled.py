"""A plan is read back as it was written, and one from before something was said of it too."""

import json
from dataclasses import replace

from app.payouts.settled import SettledPlan
from tests.app.payouts.test_payouts_policies import claim, plan


def test_what_a_plan_says_is_read_back_with_what_is_void() -> None:
    made = plan([claim(0, 0.5), replace(claim(1, 0.5), void="it is away")])
    settled = SettledPlan.model_validate(json.loads(json.dumps(made.to_json())))
    assert [(line.amount, line.voided) for line in settled.lines] == [(500_000, 0), (0, 500_000)]
    assert (settled.refund, settled.terms.policy) == (500_000, made.terms.policy)


def test_a_plan_from_before_reasons_of_nobody_and_of_void_is_read() -> None:
    plain = plan([claim(0, 0.5)]).to_json()
    del plain["nobody_paid"]
    settled = SettledPlan.model_validate(plain)
    assert settled.nobody_paid is None
    assert settled.lines[0].voided == 0
