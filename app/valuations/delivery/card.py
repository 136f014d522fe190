"""The model card of a released model: Hugging Face's layout, in front of it the facts as YAML. Pure.

JSON is YAML, so every value of the front matter is written as JSON: whatever a provider is called stays one value.
"""

import json
from dataclasses import dataclass
from typing import Any

from app.valuations.delivery.usage import usage
from contract.metrics import metric_of
from contract.results.delivery import MANIFEST, ReleasedModel
from contract.tasks import Reads

_NORMAL = 1.96
_PIPELINES = {
    Reads.TABLE: "tabular-classification",
    Reads.TEXT: "text-classification",
    Reads.IMAGE: "image-classification",
    Reads.TOKENS: "text-generation",
}


@dataclass(frozen=True)
class CardPayee:
    """One payee as its card shows it: the name it chose, its licences, its share in words, why it is left out."""

    name: str
    rows: int
    licences: tuple[str, ...]
    share: str
    left_out: str | None


@dataclass(frozen=True)
class CardFacts:
    """What the card says beside the model: the job, its metric, what it reads, its payees, the certificate, and the
    certificates of what the model has been made to forget since."""

    valuation: str
    metric: str
    reads: Reads
    payees: tuple[CardPayee, ...]
    certificate: str
    package: str
    forgotten: tuple[str, ...] = ()


def _pipeline(released: ReleasedModel, facts: CardFacts) -> str:
    number = released.preprocessing.target_scale is not None
    return _PIPELINES[facts.reads].replace("classification", "regression") if number else _PIPELINES[facts.reads]


def interval(released: ReleasedModel) -> tuple[float, float]:
    """The 95 % interval of the model's score over draws of as many test units."""
    return released.score - _NORMAL * released.stderr, released.score + _NORMAL * released.stderr


def card(released: ReleasedModel, facts: CardFacts) -> str:
    """The card, as Markdown."""
    metric = metric_of(facts.metric)
    low, high = interval(released)
    trained = [payee for payee in facts.payees if payee.left_out is None]
    lines = [
        "---",
        *(f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in _front(released, facts).items()),
        "---",
        f"# Model of {facts.valuation}",
        "",
        f"A {released.config.learner} model, trained on {released.rows} rows of {len(trained)} providers who were paid "
        "for them. " + _made(released),
        "",
        f"{metric.title} on {released.units} test units of the buyer's: {released.score:.4f}, 95 % interval over draws "
        f"of test units {low:.4f} to {high:.4f}." + _since(facts),
        "",
        "## Whose data it is trained on",
        "",
        "| provider | rows | licence | share |",
        "|---|---|---|---|",
        *(f"| {_cell(p.name)} | {p.rows} | {_cell(', '.join(p.licences))} | {p.share} |" for p in trained),
        "",
    ]
    without = [payee for payee in facts.payees if payee.left_out is not None]
    if without:
        lines += ["Not trained on:", "", *(f"- {_cell(p.name)}: {_cell(p.left_out or '')}" for p in without), ""]
    lines += [
        "## How to use it",
        "",
        "`cherish predict MODEL.zip FILE` reads every format that the market reads. In this folder, without it:",
        "",
        usage(released.config, released.preprocessing),
        "",
        "## What proves it",
        "",
        f"The job's certificate has the digest `{facts.certificate}`. It names, as `digests.model`, the SHA-256 of "
        f"`{MANIFEST}`, which names that of each other file; this package's is `{facts.package}`.",
        *(f"The model has since forgotten withdrawn data: certificate `{digest}`." for digest in facts.forgotten),
        "Within the licences' purposes, territories and terms alone may it be used.",
        "",
    ]
    return "\n".join(lines)


def _front(released: ReleasedModel, facts: CardFacts) -> dict[str, Any]:
    licences = sorted({name for payee in facts.payees if payee.left_out is None for name in payee.licences})
    pipeline = _pipeline(released, facts)
    result = {
        "task": {"type": pipeline},
        "dataset": {"name": "the buyer's test set", "type": "private"},
        "metrics": [{"type": facts.metric, "value": round(released.score, 6)}],
    }
    front: dict[str, Any] = {
        "license": licences[0].lower() if len(licences) == 1 else "other",
        "license_name": " and ".join(licences),
        "library_name": "peft" if facts.reads is Reads.TOKENS else "safetensors",
        "pipeline_tag": pipeline,
        "tags": ["cherish", released.config.learner],
        "model-index": [{"name": facts.valuation, "results": [result]}],
    }
    if released.config.base is not None:
        front["base_model_sha256"] = released.config.base
    return front


def _made(released: ReleasedModel) -> str:
    if released.retrained:
        return "It was trained anew on their rows alone, with the job's seed; the others' were never shown to it."
    return "It is the model of everybody that the job computed with."


def _since(facts: CardFacts) -> str:
    return " That was measured before the model was made to forget withdrawn data." if facts.forgotten else ""


def _cell(text: str) -> str:
    """Text in a cell of a Markdown table: one line, and no sign that would end the cell or begin something else."""
    plain = " ".join(text.split())
    return "".join(f"\\{sign}" if sign in "\\`*_[]<>|#!" else sign for sign in plain)
