"""Which model an order asks for: a learner with its hyper-parameters, its weights, and the frozen model below it.

A language model needs a base; a head may have an encoder or a backbone below it; a checkpoint names its own. Everything
is the buyer's own, has weights where it must, and fits in a worker's memory. Nothing here reads a file.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from app.checkpoints import repository as checkpoints
from app.checkpoints.tables import Checkpoint
from app.checkpoints.weights import BASE, check_fit
from app.errors import FieldError, InvalidInput
from app.http.ids import public_id
from app.identity import Caller
from app.settings import Settings
from app.valuations import repository
from app.valuations.delivery import releases
from app.valuations.orders.refusals import refused
from app.valuations.schemas import Model, NewValuation
from contract.architectures.adapters import placement
from contract.architectures.published import EXTRA, decoder_sizes, published_class
from contract.architectures.timm_backbone import timm_architecture
from contract.errors import InvalidProblem
from contract.learning.learners import ARCHITECTURES, Architecture
from contract.orders.game import LearnerChoice
from contract.rows.features import ALL_FEATURES

# delivered models that partial mode starts from: what is stored beside them makes it good (docs/benchmarks-partial.md)
_PARTIAL = (Architecture.LOGISTIC, Architecture.RIDGE)


@dataclass(frozen=True)
class Delivered:
    """How the job that delivered a model read its files: its order, and the encoding of its rows."""

    order: NewValuation
    encoding: Mapping[str, Any]


@dataclass(frozen=True)
class Chosen:
    """The learner, the checkpoint that names it (with or without weights) and the frozen model below, if any;
    ``delivered``: how the rows of a delivered model became numbers, where the order starts from one."""

    model: Model
    checkpoint: Checkpoint | None
    base: Checkpoint | None
    delivered: Delivered | None = None

    @property
    def weights(self) -> str | None:
        """The blob of the weights that were trained on everything."""
        return self.checkpoint.digest if self.checkpoint is not None else None

    @property
    def statistics(self) -> str | None:
        """The blob of what is stored beside the weights."""
        return self.checkpoint.statistics_digest if self.checkpoint is not None else None

    @property
    def trained(self) -> bool:
        """Whether the checkpoint's weights were trained on the players' data, and are not the model before it."""
        tensors = self.checkpoint.tensors if self.checkpoint is not None else None
        return any(not name.startswith(BASE) for name in tensors or ())

    @property
    def base_digest(self) -> str | None:
        return self.base.digest if self.base is not None else None

    @property
    def reads(self) -> Architecture | None:
        """The frozen model that reads the files: a language model, an encoder, a backbone; None: none does."""
        return self.base.architecture if self.base is not None else None

    @property
    def frozen_base(self) -> Checkpoint:
        if self.base is None:
            raise AssertionError(f"{self.model.name} was admitted without its base")
        return self.base


def choose(session: Session, caller: Caller, order: NewValuation) -> Chosen:
    """The order's model; raises InvalidInput naming the field, the rule and the mend."""
    model, checkpoint = _model(session, caller, order)
    delivered = None if checkpoint is None else _delivered(session, checkpoint, order)
    architecture = Architecture(model.name)
    base_id = order.base
    if checkpoint is not None and checkpoint.base_id is not None:
        if base_id not in (None, checkpoint.base_id):
            own = public_id("ck", checkpoint.base_id)
            raise refused("/base", f"the checkpoint stands on {own} and on no other base; leave base out")
        base_id = checkpoint.base_id
    elif checkpoint is not None and base_id is not None:
        raise refused("/base", "the checkpoint was created without a base; create one that names it as its base")
    if base_id is None:
        if architecture is Architecture.LORA:
            raise refused("/base", "lora needs a base: upload the encoder's or the backbone's folder as a checkpoint")
        if architecture is Architecture.LM:
            raise refused("/base", "lm needs a base: upload the model folder as a checkpoint of architecture lm")
        return Chosen(model, checkpoint, None, delivered)
    base: Checkpoint | None = repository.own_checkpoint(session, caller.account_id, base_id)
    name = public_id("ck", base_id)
    if base is None:
        raise refused("/base", f"no checkpoint {name} of yours; list them with GET /v1/checkpoints")
    allowed = ARCHITECTURES[architecture].stands_on
    if base.architecture not in allowed or base.base_id is not None:
        kinds = " or ".join(kind.value for kind in allowed) or "none at all"
        raise refused("/base", f"checkpoint {name} is no base for {model.name}, which takes {kinds}")
    if base.digest is None or base.facts is None:
        raise refused("/base", f"checkpoint {name} has no weights; upload the zip of the model folder first")
    if architecture is Architecture.LM:
        _check_adapters(model, base)
    if architecture is Architecture.LORA and (kind := _of_timm(base)) is not None:
        raise refused(
            "/base",
            f"checkpoint {name} is a {kind}, which timm computes as it is: lora has no place for adapters inside; take "
            "logistic, ridge or mlp on its features",
        )
    return Chosen(model, checkpoint, base)


def _check_adapters(model: Model, base: Checkpoint) -> None:
    """Raises InvalidInput where adapters would stand beside what the base has not."""
    hyper = ARCHITECTURES[Architecture.LM].defaults() | dict(model.hyper)
    if not hyper["rank"]:
        raise refused("/model/hyper/rank", "lm trains adapters on its base; give a rank above 0")
    sizes = decoder_sizes(base.model_facts.sizes)
    if sizes.positions and float(hyper["context"]) > sizes.positions:
        raise refused(
            "/model/hyper/context",
            f"context is {hyper['context']}, and the base has {sizes.positions} positions; "
            f"{sizes.positions // 8 * 8} fit",
        )
    try:
        placement(sizes, hyper)
    except InvalidProblem as fault:
        raise refused("/model/hyper", str(fault)) from None


def _model(session: Session, caller: Caller, order: NewValuation) -> tuple[Model, Checkpoint | None]:
    if order.checkpoint is None:
        model = order.model or Model()
        if wrong := ARCHITECTURES[model.name].faults(model.hyper):
            errors = [FieldError(f"/model/hyper/{name}", fault, "hyper_parameter") for name, fault in wrong.items()]
            raise InvalidInput(errors[0].detail, errors=errors)
        return model, None
    checkpoint: Checkpoint | None = repository.own_checkpoint(session, caller.account_id, order.checkpoint)
    if checkpoint is None:
        raise refused(
            "/checkpoint", f"no checkpoint ck_{order.checkpoint.hex} of yours; list them with GET /v1/checkpoints"
        )
    if checkpoints.is_unlearning(session, checkpoint.id):
        name = public_id("ck", checkpoint.id)
        raise refused(
            "/checkpoint",
            f"checkpoint {name} is being made to forget a dataset that was withdrawn; post the job when "
            f"GET /v1/checkpoints/{name}/unlearnings says that it is done",
        )
    frozen = checkpoint.architecture in (Architecture.ENCODER, Architecture.BACKBONE)
    if frozen or (checkpoint.architecture is Architecture.LM and checkpoint.base_id is None):
        raise refused("/checkpoint", "this checkpoint is a model folder, on which others stand; give it as base")
    # the limits of what people write do not hold for what a folder's adapters come to
    return Model.model_construct(name=checkpoint.architecture.value, hyper=dict(checkpoint.hyper)), checkpoint


def _delivered(session: Session, checkpoint: Checkpoint, order: NewValuation) -> Delivered | None:
    """How a delivered model's rows became numbers; None of weights that were uploaded. Raises InvalidInput for an order
    that cannot start from one: of full mode, of a learner that is not linear in its columns, or of data that the model
    has not seen."""
    found = releases.start_of(session, checkpoint.id)
    if found is None:
        return None
    job, released = found
    if order.mode != "partial" or checkpoint.architecture not in _PARTIAL or checkpoint.base_id is not None:
        kinds = " or ".join(kind.value for kind in _PARTIAL)
        raise refused(
            "/checkpoint",
            "this checkpoint is a model that a job delivered, which another job starts from in mode partial alone, and "
            f"where it is {kinds} on tables; name the learner itself, or upload weights in the order of names",
        )
    own = [("features", ALL_FEATURES), ("label_map", {}), ("image_size", None), ("target_is", None)]
    for name, default in own:
        if getattr(order, name) not in (default, getattr(job.order, name)):
            raise refused(f"/{name}", "a delivered model reads columns and labels as its own job did; leave it out")
    seen = {row.dataset_id: row.digest for row in checkpoints.seen_by(session, checkpoint.id)}
    now = repository.datasets_by_id(session, set(order.datasets))
    for at, dataset in enumerate(order.datasets):
        if dataset in now and seen.get(dataset) != now[dataset].digest:
            raise refused(
                f"/datasets/{at}",
                f"the model was not trained on {public_id('ds', dataset)} as it is now, so it has nothing of that to "
                f"forget; name data that GET /v1/checkpoints/{public_id('ck', checkpoint.id)}/lineage lists",
            )
    return Delivered(job.order, released.preprocessing.encoding)


def check_memory(settings: Settings, chosen: Chosen) -> None:
    """Raises InvalidInput where the frozen model alone does not fit into a worker."""
    if chosen.base is None:
        return
    parameters, most = chosen.base.model_facts.parameters, settings.worker_max_memory_bytes
    if 4 * parameters > most // 2:
        raise refused(
            "/base",
            f"the base has {parameters} parameters, {4 * parameters} bytes in float32, and a worker here has {most} "
            "bytes in all, half of them for a model; take a smaller one, or ask for larger workers",
        )


def model_notes(chosen: Chosen) -> list[str]:
    """What a quote says of a model that not every worker computes."""
    if chosen.base is None:
        return []
    package, kind = "transformers", published_class(chosen.base.model_facts.sizes)
    if kind is None:
        package, kind = "timm", _of_timm(chosen.base)
    if kind is None:
        return []
    return [
        f"The base is a {kind}, which workers compute by the package {package}; on one without it "
        f"(extra {EXTRA}) the job ends with a refusal that says so, and the pool goes back."
    ]


def _of_timm(base: Checkpoint) -> str | None:
    """timm's architecture of a frozen model that timm computes."""
    return timm_architecture(base.model_facts.family, base.model_facts.sizes)


def check_weights(chosen: Chosen, shape: tuple[int, ...], classes: int) -> None:
    """Raises InvalidInput where the checkpoint's weights are not those of the model on these rows."""
    checkpoint = chosen.checkpoint
    if checkpoint is not None and checkpoint.tensors is not None and checkpoint.facts is None:
        base = chosen.base.model_facts if chosen.base is not None else None
        check_fit(checkpoint.weights, checkpoint.architecture, checkpoint.hyper, shape, classes, base)


def learner_choice(chosen: Chosen) -> LearnerChoice:
    """The learner as the engine takes it: with the sizes of the model below that it must know."""
    learner, settings = ARCHITECTURES[chosen.model.name], dict(chosen.model.hyper)
    if learner.needs_base:
        settings = {**learner.of_base(chosen.frozen_base.model_facts.sizes), **settings}
    # the length of a block is the length of its rows
    settings.pop("context", None)
    return LearnerChoice(name=chosen.model.name, hyper=settings)
