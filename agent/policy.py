"""What the owner allows: a TOML file beside the table, and what protects single rows whatever the file says."""

import tomllib
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError, model_validator

from agent.errors import AgentError, NotAllowed
from agent.state import State
from contract.agent_adapters import MOST_ADAPTER, AdapterQuestion, passes
from contract.agents import ASKS, PROTOCOL, AgentLearner, AgentQuestion, NoiseTerms
from contract.document import Document


class Policy(Document):
    """``max_jobs``: different games of different buyers; ``max_questions`` of one job. None: not limited.

    ``least_rows``: a table of fewer is not answered for. ``least_group``: a value of an encoded column, or a label,
    that fewer rows have (or lack) is not summed over: its sums would be those of single rows. Of documents ``lm`` is to
    be named: ``least_rows`` counts them, ``max_bytes`` bounds an adapter, and ``most_passes`` how often a training goes
    through them, since what is read over and over is learned by heart.
    """

    learners: Annotated[tuple[AgentLearner, ...], Field(min_length=1)] = ("ridge", "logistic")
    max_jobs: Annotated[int, Field(ge=0)] = 20
    max_questions: Annotated[int, Field(ge=1)] = 20_000
    purposes: tuple[str, ...] | None = None
    buyers: tuple[str, ...] | None = None
    least_rows: Annotated[int, Field(ge=2)] = 100
    least_group: Annotated[int, Field(ge=1)] = 10
    # none: no label is told, and only numbers can be predicted
    labels: Literal["counts", "names", "none"] = "names"
    # rows that are shown for each job, to bear sums out; an order may ask for as many
    open_rows: Annotated[int, Field(ge=0)] = 0
    max_bytes: Annotated[int, Field(ge=1)] = 4 * MOST_ADAPTER
    most_passes: Annotated[float, Field(gt=0)] = 10.0
    noise: NoiseTerms | None = None
    # of all jobs together, where there is noise
    total_epsilon: Annotated[float, Field(gt=0)] | None = None
    total_delta: Annotated[float, Field(gt=0, lt=0.5)] | None = None

    @model_validator(mode="after")
    def _budgeted(self) -> "Policy":
        if self.noise is not None and (self.total_epsilon is None or self.total_delta is None):
            raise ValueError("noise needs a budget over all jobs: name total_epsilon and total_delta")
        if self.noise is not None and self.learners != ("ridge",):
            raise ValueError('noise is added to ridge\'s statistics only: set learners to ["ridge"]')
        if self.noise is not None and self.open_rows:
            raise ValueError("rows do not bear out sums with noise: leave open_rows out")
        return self


def read(path: Path | None) -> Policy:
    """The owner's policy; without a file, the defaults. Raises AgentError."""
    if path is None:
        return Policy()
    try:
        return Policy.read(tomllib.loads(path.read_text()))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise AgentError(f"{path}: {error}") from None
    except ValidationError as error:
        said = "; ".join(f"{'.'.join(map(str, each['loc'])) or 'the file'}: {each['msg']}" for each in error.errors())
        raise AgentError(f"{path}: {said}") from None


def check(policy: Policy, state: State, question: AgentQuestion) -> None:
    """Raises NotAllowed where a question asks for more than the owner allows, or is about other rows than these."""
    _check_terms(policy, state, question)
    if question.asks not in (needed := ASKS[question.learner]):
        raise NotAllowed(f"{question.learner} needs {' and '.join(needed)}, and the question asks for {question.asks}")
    predicts_number = question.encoding.scale is not None
    if (question.learner == "ridge" and not predicts_number) or (question.learner == "logistic" and predicts_number):
        raise NotAllowed(f"{question.learner} does not predict what the question says")


def check_adapter(policy: Policy, state: State, question: AdapterQuestion) -> None:
    """The same of a question for the model of documents."""
    _check_terms(policy, state, question)
    if question.rows < policy.least_rows:
        raise NotAllowed(
            f"there are {question.rows} documents, and no model of fewer than {policy.least_rows} is told of"
        )
    if question.answer_bytes > policy.max_bytes:
        raise NotAllowed(f"the adapter has {question.answer_bytes} bytes, and the owner allows {policy.max_bytes}")
    if (often := passes(question.hyper, question.blocks)) > policy.most_passes:
        raise NotAllowed(
            f"the training goes {often:.3g} times through the documents, and the owner allows {policy.most_passes:g}: "
            "ask for fewer steps, or smaller batches"
        )


def _check_terms(policy: Policy, state: State, question: AgentQuestion | AdapterQuestion) -> None:
    for what, said, own in (
        ("protocol", question.protocol, PROTOCOL),
        ("dataset", question.dataset, state.dataset),
        ("registration", question.registration, state.registration_digest),
        ("commitment", question.commitment, state.commitment),
        ("number of rows", question.rows, state.rows),
    ):
        if said != own:
            raise NotAllowed(f"the question is of another {what} than this agent's")
    if question.learner not in policy.learners:
        raise NotAllowed(f"the owner's policy allows {' and '.join(policy.learners)}, and not {question.learner}")
    if policy.purposes is not None and question.purpose not in policy.purposes:
        raise NotAllowed(
            f"the owner's policy allows the purposes {', '.join(policy.purposes)}, and not {question.purpose}"
        )
    if policy.buyers is not None and question.buyer not in policy.buyers:
        raise NotAllowed("the owner's policy does not allow this buyer")
    count = state.jobs.get(question.game)
    if count is None and len(state.jobs) >= policy.max_jobs:
        raise NotAllowed(f"the owner's policy allows {policy.max_jobs} jobs, and this would be the next one")
    if count is not None and count >= policy.max_questions:
        raise NotAllowed(f"the owner's policy allows {policy.max_questions} questions of one job")


def check_rows(policy: Policy, question: AgentQuestion, X: NDArray[np.float32], y: NDArray[np.generic]) -> None:
    """Raises NotAllowed where sums over these encoded rows would tell of few of them."""
    rows = len(y)
    if rows < policy.least_rows:
        raise NotAllowed(f"the table has {rows} rows, and sums over fewer than {policy.least_rows} are not told")
    if rows < 2 * (question.encoding.width + 1):
        raise NotAllowed(
            f"the job's columns encode to {question.encoding.width} features, and {rows} rows are fewer than twice as "
            "many: their sums would tell of the rows"
        )
    if question.network is not None and rows < 2 * (question.network.sketch + 1):
        raise NotAllowed(
            f"the question asks for moments of {question.network.sketch} tangent features, and {rows} rows are fewer "
            "than twice as many: they would tell of the rows"
        )
    at = 0
    for column in question.encoding.columns:
        for place in range(at, at + column.width):
            few = rows - int(np.unique(X[:, place], return_counts=True)[1].max())
            if 0 < few < policy.least_group:
                raise NotAllowed(
                    f"all but {few} rows are alike in `{column.name}` as the job encodes it, and sums over fewer than "
                    f"{policy.least_group} rows are not told; merge rare values, or leave the column out"
                )
        at += column.width
    if question.encoding.classes:
        counts = np.bincount(y.astype(np.int64), minlength=len(question.encoding.classes))
        if ((counts > 0) & (counts < policy.least_group)).any():
            raise NotAllowed(f"a label has fewer than {policy.least_group} rows, and sums over so few are not told")
