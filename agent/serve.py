"""Serving jobs: asks the service for questions over connections of its own, shows each to the owner, answers.

What comes is not trusted: a question is checked against the policy and the commitment before anything is computed. One
that is not allowed is refused with the reason, which the service tells the buyer. The service being away is waited out;
an agent that was killed goes on where it stopped, because what it spent and sent was written down before.
"""

import base64
import binascii
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlsplit

import httpx
from pydantic import ValidationError

from agent.desk import Desk
from agent.errors import AgentError, NotAllowed
from agent.journal import JournalTransport
from cherish import Client, Problem
from cherish.client import is_outage
from contract.agent_adapters import AdapterQuestion
from contract.agents import PROTOCOL, AgentQuestion, AnswerRefused
from contract.document import canonical_json
from contract.openings import OpeningQuestion, read_question

_WAIT_SECONDS = 20
_AGAIN_SECONDS = 1.0
_LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})

Say = Callable[[str], None]
T = TypeVar("T")


def connect(url: str, key: str, desk: Desk, below: httpx.BaseTransport | None = None) -> Client:
    """A client all of whose requests are written down; raises AgentError for a way that others can read."""
    address = urlsplit(url)
    if address.scheme != "https" and address.hostname not in _LOCAL:
        raise AgentError(f"{url} is not encrypted; give an https:// address (http is for this machine alone)")
    transport = JournalTransport(desk.folder.path / "journal", below or httpx.HTTPTransport(retries=1))
    return Client(url, key, timeout=_WAIT_SECONDS + 40.0, transport=transport)


def register(client: Client, desk: Desk, name: str, licence: Mapping[str, object], say: Say) -> str:
    """Register the table, or its new version, and publish it; returns the dataset's id. What is registered as it is
    stays so."""
    registration = desk.registration()
    content = canonical_json(registration.plain())
    if desk.state.dataset:
        dataset = f"ds_{desk.state.dataset}"
        if desk.state.commitment != registration.commitment:
            say(f"The rows have changed: {dataset} gets a new version.")
    else:
        draft = client.post("/v1/datasets", {"name": name, "format": "agent", "kind": "train", **desk.kept_as})
        dataset = str(draft["id"])
        desk.created(dataset)
    client.put(f"/v1/datasets/{dataset}/content", content)
    client.post(f"/v1/datasets/{dataset}/publish", {"licence": dict(licence)})
    desk.registered(registration)
    kind = "rows" if registration.texts is None else "documents"
    say(f"Registered {dataset}: {registration.rows} {kind}, commitment {registration.commitment}.")
    return dataset


def waited_out(act: Callable[[], T], say: Say, stopped: Callable[[], bool] = lambda: False) -> T:
    """``act()``, again and again while the service is away; raises what another try cannot mend."""
    while True:
        try:
            return act()
        except (httpx.TransportError, Problem) as error:
            if not is_outage(error) or stopped():
                raise
            say(f"The service is away ({error}); asking again.")
            time.sleep(_AGAIN_SECONDS)


@dataclass
class Server:
    """Answers what is asked, until ``stopped`` says so."""

    client: Client
    desk: Desk
    say: Say
    stopped: Callable[[], bool] = lambda: False

    def run(self) -> None:
        """Serve; raises AgentError where the rows have changed, Problem where the service refuses this agent."""
        self.desk.check_unchanged()
        while not self.stopped():
            waited_out(lambda: self.once(_WAIT_SECONDS), self.say, self.stopped)

    def once(self, wait: float) -> int:
        """Answer what waits now, or comes within so many seconds; returns how many questions there were."""
        dataset = f"ds_{self.desk.state.dataset}"
        parameters = {"dataset": dataset, "protocol": PROTOCOL, "wait": wait}
        answer = self.client.ask("GET", "/v1/agents/questions", params=parameters)
        for waiting in answer["questions"]:
            self._handle(str(waiting["id"]), waiting["question"], str(waiting["models"]))
        return len(answer["questions"])

    def _handle(self, name: str, plain: dict[str, object], models: str) -> None:
        try:
            question = read_question(plain)
            content = base64.b64decode(models, validate=True)
            if isinstance(question, OpeningQuestion):
                self.say(_shown_opening(question))
                answer = self.desk.bear_out(question, content)
            elif isinstance(question, AdapterQuestion):
                self.say(_shown_adapter(question))
                answer = self.desk.train(question)
            else:
                self.say(_shown(question))
                answer = self.desk.answer(question, content)
        except (NotAllowed, AnswerRefused) as refusal:
            self._refuse(name, str(refusal))
            return
        except (ValidationError, binascii.Error):
            self._refuse(
                name, f"the question is none of protocol {PROTOCOL}; install the release that the service runs"
            )
            return
        try:
            self.client.put(f"/v1/agents/questions/{name}/content", answer)
        except Problem as problem:
            # answered meanwhile, or nobody asks any more: nothing is lost
            if problem.status not in (404, 409):
                raise
            self.say(f"  not taken: {problem.detail}")
            return
        self.say(f"  answered with {len(answer)} bytes.")

    def _refuse(self, name: str, reason: str) -> None:
        self.say(f"  refused: {reason}.")
        try:
            self.client.ask("PUT", f"/v1/agents/questions/{name}/refusal", json={"reason": reason[:500]})
        except Problem as problem:
            if problem.status not in (404, 409):
                raise


def _shown_opening(question: OpeningQuestion) -> str:
    about, what = question.about, f"{question.opens} rows" if question.root else "the totals of all rows' terms"
    return f"{about.buyer} asks for {what}, to bear out {about.asks} (job {about.game[:12]})."


def _shown_adapter(question: AdapterQuestion) -> str:
    return (
        f"{question.buyer} asks for an adapter of {question.numbers} numbers on base {question.base[:12]} "
        f"({question.learner}, purpose {question.purpose or 'not said'}, job {question.game[:12]}, "
        f"{question.blocks} blocks)."
    )


def _shown(question: AgentQuestion) -> str:
    subject = f"{question.asks} of {question.stack} models" if question.stack else question.asks
    return (
        f"{question.buyer} asks for {subject} ({question.learner}, purpose {question.purpose or 'not said'}, "
        f"job {question.game[:12]}, {question.encoding.width} features)."
    )
