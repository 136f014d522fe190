"""What an order may ask where data stays with its owner: learners and methods that need sums over rows alone, and, of
documents, methods that put single players' models together.

Everything that is not written for such data is refused here, by name, before a job exists.
"""

import math
from collections.abc import Mapping, Sequence
from uuid import UUID

from app.datasets.rows.registered import read_registration
from app.datasets.tables import Dataset, DatasetFormat
from app.errors import FieldError, InvalidInput
from app.storage.blobs import BlobStore
from app.valuations.orders.model_choice import Chosen
from app.valuations.orders.quotes import JobSize
from app.valuations.orders.refusals import refused
from app.valuations.schemas import NewValuation
from contract.agent_adapters import MOST_ADAPTER, adapter_of
from contract.agent_networks import MOST_NUMBERS, MOST_SKETCH, NetworkSettings
from contract.agents import Registration
from contract.architectures.published import published_class
from contract.learning.learners import LEARNERS, Architecture
from contract.learning.methods import default_method
from contract.orders.game import FrozenGame
from contract.results.row_values import ROWS_NONE

# the learners, and the method that unlearns each by sums
METHODS_OF_SUMS = {
    Architecture.RIDGE: "statistics",
    Architecture.LOGISTIC: "tangent",
    Architecture.MLP: "tangent",
}
# of documents each player's own model is all that there is: the method puts them together, everybody's among them
METHODS_OF_MODELS = ("mixture", "merge")
# settings without which the sum of agents' gradients is not what training in one place takes
NEEDED = {Architecture.MLP.value: {"batch": 0, "double": 1}}


# a field, whether its rule holds, and the rule with its mend
Rule = tuple[str, bool, str]
# learners whose sums opened rows bear out
_BORNE_OUT = (Architecture.RIDGE.value, Architecture.LOGISTIC.value, Architecture.MLP.value)


def registrations(blobs: BlobStore, datasets: Sequence[Dataset]) -> dict[UUID, Registration]:
    """What the agents of those datasets registered whose rows stay with their owner."""
    return {
        dataset.id: read_registration(blobs.get(dataset.digest), f"dataset ds_{dataset.id.hex}")
        for dataset in datasets
        if dataset.format is DatasetFormat.AGENT and dataset.digest is not None
    }


def check_order(
    order: NewValuation,
    chosen: Chosen,
    groups: Sequence[Sequence[Dataset]],
    away: Mapping[UUID, Registration],
    *,
    explores: bool = False,
) -> None:
    """Raises InvalidInput naming every field that data at home does not go with; an exploration is none of it."""
    if not away:
        return
    if explores:
        where = min(order.datasets.index(dataset) for dataset in away)
        detail = f"dataset ds_{order.datasets[where].hex} stays with its owner, and is not explored; leave it out"
        raise InvalidInput(detail, errors=[FieldError(f"/datasets/{where}", detail, "agent")])
    faults = [*_of_order(order, chosen), *_of_groups(order, chosen.model.name, groups, away)]
    if faults:
        raise InvalidInput(faults[0].detail, errors=faults)


def _of_order(order: NewValuation, chosen: Chosen) -> list[FieldError]:
    learner = chosen.model.name
    if learner == Architecture.LM.value:
        return _faults(_of_documents(order, chosen))
    by_learner = {each.value: method for each, method in METHODS_OF_SUMS.items()}
    if learner not in by_learner:
        detail = (
            f"rows of this job stay with their owners, and {learner} needs them; set the model to "
            f"{' or '.join((*by_learner, Architecture.LM.value))}"
        )
        return [FieldError("/model/name", detail, "agent")]
    method = by_learner[learner]
    rules = (
        *_of_any(order),
        ("/base", order.base is None, "features of a frozen model are not; leave base out"),
        (
            "/payout/open_rows",
            not order.payout.open_rows or learner in _BORNE_OUT,
            f"opened rows bear out sums of {' and '.join(_BORNE_OUT)}, and not of {learner}; leave open_rows out",
        ),
        ("/class_weights", order.class_weights != "pooled", "labels are not pooled; set uniform or balanced"),
        ("/fidelity", order.fidelity != "repair", "methods that repair need rows; choose auto, unlearn or retrain"),
        (
            "/unlearning/method",
            order.unlearning.method in (None, method),
            f"{learner} unlearns by {method}; leave the method out",
        ),
    )
    return [*_of_settings(chosen), *_faults(rules)]


def _of_any(order: NewValuation) -> list[Rule]:
    """What holds of every job with data at home."""
    return [
        ("/mode", order.mode == "full", "only whole jobs are; set mode to full"),
        ("/checkpoint", order.checkpoint is None, "weights from elsewhere are not; leave checkpoint out"),
        ("/payout/shards", order.payout.shards is None, "shards are cut from rows; leave shards (and protected) out"),
        ("/segments", order.segments is None, "segments are told apart by rows; leave segments out"),
        ("/rows", order.rows == ROWS_NONE, "nobody here can tell its rows apart; leave rows out"),
        ("/deliver", not order.deliver, "neither rows nor a model is delivered; leave deliver out"),
        ("/device", order.device == "cpu", "agents answer for cpu; leave device out"),
    ]


def _of_documents(order: NewValuation, chosen: Chosen) -> list[Rule]:
    """Of a language model: each agent trains its own adapter, and no model is trained on the documents of several."""
    outside = None if chosen.base is None else published_class(chosen.base.model_facts.sizes)
    return [
        *_of_any(order),
        ("/base", outside is None, f"agents train on bases that need no other package, which a {outside} does"),
        (
            "/fidelity",
            order.fidelity == "unlearn",
            "no model is trained on documents of several, so worths are unaudited; say so by fidelity: unlearn",
        ),
        (
            "/max_retrains",
            order.max_retrains == 0,
            "no coalition is retrained, so worths are unaudited; say so by max_retrains: 0",
        ),
        (
            "/unlearning/method",
            order.unlearning.method in (None, *METHODS_OF_MODELS),
            f"single players' models are put together by {' or '.join(METHODS_OF_MODELS)}; name one of them",
        ),
        (
            "/payout/open_rows",
            not order.payout.open_rows,
            "opened documents do not bear out an adapter; leave open_rows out",
        ),
    ]


def _faults(rules: Sequence[Rule]) -> list[FieldError]:
    said = "rows of this job stay with their owners"
    return [FieldError(pointer, f"{said}: {why}", "agent") for pointer, holds, why in rules if not holds]


def composed_by(order: NewValuation, chosen: Chosen, away: Mapping[UUID, Registration]) -> str | None:
    """The method that makes everybody's model of single players'; None where it is trained on all rows."""
    if not away or chosen.model.name != Architecture.LM.value:
        return None
    return order.unlearning.method or default_method(chosen.model.name, order.mode)


def check_adapter(game: FrozenGame) -> None:
    """Raises InvalidInput where the adapters of a composed game are larger than agents send."""
    if game.composed is None:
        return
    numbers = sum(math.prod(shape) for _, shape in adapter_of(game.learner.hyper))
    if numbers > MOST_ADAPTER:
        raise refused(
            "/model/hyper/rank",
            f"an adapter has {numbers} numbers, and agents send at most {MOST_ADAPTER}; set rank lower, or 0 for some "
            "projections",
        )


def _of_settings(chosen: Chosen) -> list[FieldError]:
    learner = chosen.model.name
    settings = LEARNERS[learner].checked(chosen.model.hyper)
    return [
        FieldError(
            f"/model/hyper/{name}",
            f"rows of this job stay with their owners: {learner} is trained by sums of their gradients, which needs "
            f"{name} = {needed}; set it",
            "agent",
        )
        for name, needed in NEEDED.get(learner, {}).items()
        if settings[name] != needed
    ]


def check_network(order: NewValuation, chosen: Chosen, size: JobSize, rows: Sequence[int]) -> None:
    """Raises InvalidInput where a network for a job of this size is larger than an agent answers for, or its tangent
    features are too many for the tables at home, of so many ``rows`` each."""
    if not rows or chosen.model.name != Architecture.MLP.value:
        return
    settings = NetworkSettings.of(chosen.model.hyper)
    try:
        fits = settings.network.width(size.width, max(1, size.classes)) <= MOST_NUMBERS
    except ValueError:
        fits = False
    if not fits:
        raise refused(
            "/model/hyper/hidden",
            f"a network of {settings.layers} layers of {settings.hidden} is larger than agents answer for "
            f"({MOST_NUMBERS} numbers); set hidden and layers lower",
        )
    most = min(MOST_SKETCH, min(rows) // 2 - 1)
    asked = order.unlearning.options.get("tangent.sketch", 0)
    if isinstance(asked, int | float) and asked > most:
        raise refused(
            "/unlearning/options/tangent.sketch",
            f"the fewest rows at home are {min(rows)}, and moments of more than {most} tangent features would tell of "
            f"them; set tangent.sketch to {most} or less",
        )


def _of_groups(
    order: NewValuation, learner: str, groups: Sequence[Sequence[Dataset]], away: Mapping[UUID, Registration]
) -> list[FieldError]:
    faults = []
    for group in groups:
        staying = [dataset for dataset in group if dataset.id in away]
        if staying and len(group) > 1:
            detail = (
                f"dataset ds_{staying[0].id.hex} stays with its owner, and its provider has others in this job; set "
                "players to dataset, or leave the others out"
            )
            faults.append(_fault(order, staying[0], detail))
        for dataset in staying:
            learners = away[dataset.id].learners
            if learner not in learners:
                detail = f"dataset ds_{dataset.id.hex}: its owner answers for {' and '.join(learners)} only"
                faults.append(_fault(order, dataset, detail))
            if order.payout.open_rows > away[dataset.id].open_rows:
                detail = (
                    f"dataset ds_{dataset.id.hex}: its owner lets {away[dataset.id].open_rows} rows be opened for a "
                    f"job, and the order asks for {order.payout.open_rows}; lower payout.open_rows"
                )
                faults.append(_fault(order, dataset, detail))
    return faults


def _fault(order: NewValuation, dataset: Dataset, detail: str) -> FieldError:
    return FieldError(f"/datasets/{order.datasets.index(dataset.id)}", detail, "agent")


def notes(
    groups: Sequence[Sequence[Dataset]],
    shown: Sequence[str],
    away: Mapping[UUID, Registration],
    open_rows: int = 0,
) -> list[str]:
    """What a buyer is told of whose rows nobody here has seen, of whom ``open_rows`` are opened each."""
    names = [name for group, name in zip(groups, shown, strict=True) if group[0].id in away]
    if not names:
        return []
    texts = any(each.texts is not None for each in away.values())
    said = [
        _of_models(names) if texts else _of_sums(names),
        "Where an agent does not answer for long, or refuses, the job ends without a result and nothing is charged.",
    ]
    if open_rows:
        said.append(
            f"Once all sums are in, {open_rows} rows of each of them, drawn at random, are opened to this service. "
            "Whoever's rows do not bear out its sums, or are not opened, is paid nothing; its part goes back to you."
        )
    elif texts:
        said.append(
            "Nothing in the job bears an adapter out: one of other documents than those that its owner is committed to "
            "would not be noticed before the documents are handed over and it is trained again."
        )
    else:
        said.append(
            "No rows of them are opened (payout.open_rows), so sums of other rows than those that their owners are "
            "committed to would not be noticed."
        )
    noisy = [
        (name, away[group[0].id].noise)
        for group, name in zip(groups, shown, strict=True)
        if group[0].id in away and away[group[0].id].noise is not None
    ]
    for name, noise in noisy:
        if noise is not None:
            said.append(
                f"Gaussian noise is added to the sums of {name}: epsilon {noise.epsilon:g}, delta {noise.delta:g}, "
                f"rows shortened to a norm of {noise.clip:g}. Its value is measured with that noise."
            )
    return said


def _of_sums(names: Sequence[str]) -> str:
    return (
        f"The rows of {_listed(names)} stay with their owners: their agents answer with sums over them. They are not "
        "compared with other rows for copies, and the agents are told how the test set's columns are scaled and named."
    )


def _of_models(names: Sequence[str]) -> str:
    return (
        f"The documents of {_listed(names)} stay with their owners, whose agents train each owner's model beside them "
        "and send its adapter. Worths are unaudited: no model is trained on the documents of several players, "
        "everybody's model is made of the players' own, and how far that is from one trained on all documents is not "
        "measured. "
        "Documents at home are not compared with others for copies; the same documents give the same adapter."
    )


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
