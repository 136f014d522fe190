"""Answers of a delivered language model, over HTTP and through a worker: whose data they leaned on, who may ask, what
it costs, and what a withdrawal leaves."""

import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.datasets.rows.answer_tokens import tokenised
from app.db.session import transaction
from app.erasure import repository as erasure_repository
from app.http.ids import parse_id, public_id
from app.valuations.work import attributions
from tests.app.erasure.forgetting import step
from tests.app.web.test_web_rules import Browser
from tests.place import Place, order, zipped
from tests.worker.jobs.test_jobs_language import HYPER, base, corpora  # noqa: F401 - a fixture
from worker.engine import royalties
from worker.jobs.attribute import in_blocks

ANSWERS = [
    {"prompt": "tell me: ", "answer": "the sea rose and fell. the sea"},
    {"prompt": "count: ", "answer": "two and two are four; two"},
    {"answer": "neither sea nor sum, neither sea"},
]
GRANTS = {"spdx": "CC0-1.0", "grants": ["value", "model"]}
# everybody is paid, and so is in the model: what is tested here is not who
PAID = {"policy": "proportional", "pay_without_gain": True, "pay_unaudited": True, "copies": "separate"}


def delivered(place: Place, hand: Any, base: Path) -> tuple[str, list[str]]:  # noqa: F811
    """A settled job that delivered its language model; its id, and its providers' datasets."""
    read = corpora(place)
    for name, dataset in zip(("tides", "sums", "third"), read["datasets"], strict=True):
        said = place.client(name).post(f"/v1/datasets/{dataset}/publish", json={"licence": GRANTS})
        assert said.status_code == 200, said.text
    model = {"name": "lm", "hyper": HYPER | {"steps": 12, "lr": 0.02}}
    asks = {"deliver": ["model"], "attributions": True, "payout": PAID, "fidelity": "unlearn", "max_retrains": 0}
    body = order(read, model=model, base=place.checkpoint(zipped(base))) | asks
    posted = place.client("buyer").post("/v1/valuations", json=body)
    assert posted.status_code == 202, posted.text
    job = hand.finish(parse_id("val", posted.json()["id"]))
    assert job.status.value == "succeeded", f"{job.error}\n{job.traceback}"
    return str(posted.json()["id"]), read["datasets"]


def ask(place: Place, job: str, answers: Any = ANSWERS, **headers: str) -> Any:
    return place.client("buyer").post(f"/v1/models/{job}/attributions", json={"answers": answers}, headers=headers)


def rung(hand: Any) -> int:
    """What is sent to workers to attribute, done."""
    while hand.relay.drain_once():
        pass
    messages = [args for task, args, _ in hand.letters.waiting if task == attributions.TASK]
    hand.letters.waiting.clear()
    for args in messages:
        hand.runtime.attribute(uuid.UUID(args["attribution_id"]))
    return len(messages)


def asked_on_its_page(place: Place, hand: Any, job: str) -> None:
    """The buyer's page asks the same, shows what is found, and is nobody else's."""
    here, there = Browser(place.app), Browser(place.app)
    for browser, name in ((here, "buyer"), (there, "tides")):
        key = place.client(name).headers["Authorization"].removeprefix("Bearer ")
        assert browser.fill("/login", "/login", key=key).status_code == 303
    page = f"/jobs/{job}/attributions"
    assert page in here.get(f"/jobs/{job}").text
    assert there.get(page).status_code in (403, 404)
    refused = here.fill(page, page, prompt="count: ", answer="")
    assert refused.status_code == 422
    assert "count: " in refused.text, "what was written is still there"
    asked = here.fill(page, page, prompt="count:\r\n", answer=" two and two are four; two ")
    assert asked.status_code == 303, asked.text
    path = asked.headers["location"]
    waiting = here.get(path)
    assert waiting.headers["refresh"] == "2"
    assert rung(hand) > 0
    found = here.get(path)
    assert "refresh" not in found.headers
    told = place.client("buyer").get(f"/v1/models/{job}/attributions/{path.rpartition('=')[2]}").json()
    assert told["together"]["tokens"] == 27, "spaces at the ends of an answer are its tokens"
    for who, share in zip(told["providers"], told["together"]["shares"], strict=True):
        assert f'<bdi>{who["provider"]}</bdi></td><td class="num strong">{100 * share:.1f}' in found.text
    assert found.text.count("<svg") >= 3
    assert here.get(f"{page}?asked=att_{'0' * 32}").status_code == 404
    said = place.market.scalar("SELECT string_agg(audit_log::text, ' ') FROM audit_log") or ""
    assert "four; two" not in said, "the log has no answers"


def test_a_buyer_asks_whom_answers_leaned_on_until_data_is_withdrawn(
    place: Place,
    hand: Any,
    base: Path,  # noqa: F811
) -> None:
    job, datasets = delivered(place, hand, base)
    market, buyer = place.market, place.client("buyer")
    assert market.scalar("SELECT count(*) FROM player_models") == 3
    asked = ask(place, job, **{"Idempotency-Key": "once"})
    assert asked.status_code == 202, asked.text
    again = ask(place, job, **{"Idempotency-Key": "once"})
    assert again.json()["id"] == asked.json()["id"]
    path = asked.headers["Location"]
    assert buyer.get(path).json()["status"] == "queued"
    assert rung(hand) == 1
    found = buyer.get(path).json()
    assert found["status"] == "done", found
    names = [each["provider"] for each in found["providers"]]
    for each, leader in zip(found["answers"], ("provider 0", "provider 1", "provider 2"), strict=True):
        assert names[int(np.argmax(each["values"]))] == leader
    for each in (*found["answers"], found["together"]):
        assert sum(each["values"]) == pytest.approx(each["gain"], abs=1e-9)
        assert sum(each["shares"]) == pytest.approx(1, abs=3e-4)
    # bytes; the first of a text without a prompt has nothing before it
    assert [each["tokens"] for each in found["answers"]] == [30, 25, len(ANSWERS[2]["answer"]) - 1]
    assert market.scalar("SELECT asked FROM attributions") is None, "the buyer's texts are not kept"
    lines = buyer.get(path, params={"format": "csv"}).text.splitlines()
    assert lines[0].startswith("answer,tokens,gain")
    assert len(lines) == 1 + 3 * 3

    # the same as on the job's own evaluator, to half a step
    (evaluator, _), *_ = hand.runtime.games._games.values()
    texts = [(each.get("prompt", ""), each["answer"]) for each in ANSWERS]
    tokens = tokenised(texts, None).answers
    own = royalties.royalties(evaluator, [in_blocks(each, HYPER["context"]) for each in tokens])
    told = {names[at]: [each["values"][at] for each in found["answers"]] for at in range(3)}
    by_digest = dict(market.rows("SELECT digest, name FROM valuation_players"))
    for at, player in enumerate(evaluator.players):
        exact = [each.values[at] for each in own]
        assert np.abs(np.array(told[by_digest[player.digest]]) - exact).max() <= 0.005 + 1e-6

    # the providers see what was asked of them
    seen = place.client("tides").get(f"/v1/datasets/{datasets[0]}/disclosures").json()
    before = seen["askers"][0]["spent"]
    assert market.scalar("SELECT count(*) FROM disclosures WHERE kind = 'attribution'") == 3
    assert ask(place, job).status_code == 202
    seen = place.client("tides").get(f"/v1/datasets/{datasets[0]}/disclosures").json()
    assert seen["askers"][0]["spent"] == before, "the same answers again cost nothing"
    asked_on_its_page(place, hand, job)

    # data is withdrawn: its provider's model goes, and what was found with it
    player = next(at for at, player in enumerate(evaluator.players) if by_digest[player.digest] == "provider 0")
    gone = market.scalar("SELECT digest FROM player_models WHERE player = :at", at=player)
    late = ask(place, job).headers["Location"]
    withdrawn = place.client("tides").post(f"/v1/datasets/{datasets[0]}/withdraw")
    assert withdrawn.status_code == 200, withdrawn.text
    refused = ask(place, job)
    assert refused.status_code == 409
    assert "withdrawn" in refused.json()["detail"]
    hand.letters.waiting.clear()
    assert "forget" in step(hand)
    assert not market.blobs.exists(gone)
    with market.factory() as session:
        assert not attributions.named(session, gone)
        kept = attributions.models_of(session, parse_id("val", job))
        assert len(kept) == 2
        assert erasure_repository.in_use(session, parse_id("ds", datasets[0]), kept[0].digest)
    assert (buyer.get(path).json()["status"], buyer.get(path).json()["answers"]) == ("refused", [])
    assert "erased" in buyer.get(path).json()["reason"]
    # what was still waiting is answered for those who remain
    hand.runtime.attribute(parse_id("att", late.rsplit("/", 1)[1]))
    rest = buyer.get(late).json()
    assert [each["provider"] for each in rest["providers"]] == [n for n in names if n != "provider 0"]
    again = ask(place, job)
    assert again.status_code == 202, again.text


def test_only_the_buyer_of_a_delivered_language_model_asks_and_only_so_much(
    place: Place,
    hand: Any,
    base: Path,  # noqa: F811
) -> None:
    job, datasets = delivered(place, hand, base)
    market = place.market
    path = f"/v1/models/{job}/attributions"
    assert place.client("tides").post(path, json={"answers": ANSWERS}).status_code == 403
    unknown = ask(place, public_id("val", uuid.uuid4()))
    assert unknown.status_code == 404
    for answers, pointer in (
        ([{"answer": "x"}], "/answers/0/answer"),
        (ANSWERS * 30, "/answers"),
        ([{"prompt": "y" * 200_000, "answer": "x"}], "/answers"),
    ):
        refused = ask(place, job, answers)
        assert refused.status_code == 422, refused.text
        assert refused.json()["errors"][0]["pointer"] == pointer
    assert market.scalar("SELECT count(*) FROM attributions") == 0
    assert market.scalar("SELECT count(*) FROM disclosures WHERE kind = 'attribution'") == 0
    # 33 answers are three lots of 16, at 2 points each: the budget ends in the midst, and nothing is charged
    place.app.state.settings = market.settings.model_copy(update={"disclosure_points": 11})
    spent = ask(place, job, [{"prompt": str(number), "answer": "the sea"} for number in range(33)])
    assert spent.status_code == 429, spent.text
    assert market.scalar("SELECT count(*) FROM disclosures WHERE kind = 'attribution'") == 0
    place.app.state.settings = market.settings
    # models that were erased while a worker looked: what it found is not kept
    late = parse_id("att", ask(place, job).json()["id"])
    with transaction(market.factory) as session:
        begun = attributions.begin(session, late)
    assert begun is not None
    with transaction(market.factory) as session:
        attributions.finish(session, late, begun.models[1:], None, "found with fewer")
    assert market.scalar("SELECT refusal FROM attributions") is None
    for _ in range(attributions.MOST_TRIES):
        with transaction(market.factory) as session:
            attributions.begin(session, late)
    assert "internal error" in market.scalar("SELECT refusal FROM attributions")
    # where the delivered model is erased for a withdrawal, no provider's model stays
    buyer = place.client("buyer")
    model = buyer.get(f"/v1/valuations/{job}/delivery").json()["model"]["checkpoint_id"]
    assert buyer.patch(f"/v1/checkpoints/{model}", json={"unlearning": "erase"}).status_code == 200
    blobs = [row[0] for row in market.rows("SELECT digest FROM player_models")]
    assert place.client("sums").post(f"/v1/datasets/{datasets[1]}/withdraw").status_code == 200
    assert "unlearn" in step(hand)
    assert market.scalar("SELECT count(*) FROM player_models") == 0
    assert not any(market.blobs.exists(blob) for blob in blobs)
    assert "was erased" in ask(place, job).json()["detail"]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"deliver": []}, "/attributions"),
        ({"model": {"name": "logistic"}, "base": None}, "/attributions"),
    ],
)
def test_attributions_are_ordered_with_a_delivered_language_model_alone(
    place: Place,
    base: Path,  # noqa: F811
    change: dict[str, Any],
    pointer: str,
) -> None:
    below = place.checkpoint(zipped(base))
    body = order(corpora(place), model={"name": "lm", "hyper": HYPER}, base=below, deliver=["model"], attributions=True)
    refused = place.client("buyer").post("/v1/valuations", json=body | change)
    assert refused.status_code == 422, refused.text
    assert pointer in [each["pointer"] for each in refused.json()["errors"]]
