"""Admission: everything that is checked before a job exists or money is held. A bad order leaves nothing behind.

Every file of the job is read once (``fitted_files``). This fixes the one encoding that all of them share, puts the
players in canonical order (by the digest of their rows, then by name), and so fixes the game and its digest.
"""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from app.accounts import pseudonyms
from app.datasets.tables import Dataset
from app.disclosure import service as disclosure
from app.disclosure.bands import Bands
from app.disclosure.tables import DisclosureKind
from app.errors import FieldError, InvalidInput
from app.http.ids import public_id
from app.identity import Caller
from app.payouts import money
from app.settings import Settings
from app.storage.blobs import BlobStore
from app.valuations import repository
from app.valuations.orders import late_tests, named_datasets, stays_home, test_lots
from app.valuations.orders.admitted import Admitted, AdmittedPayee, FittedOrder
from app.valuations.orders.asking import least_of, price_notes, rows_offers
from app.valuations.orders.deliverables import by_request, check_deliveries, consent_notes, delivery_notes, granted_by
from app.valuations.orders.disclosures import drawn_by, of_rows, overlap_notes, questions, segments_drawn_by
from app.valuations.orders.fitted_files import Fitted, Fitter, OrderFiles
from app.valuations.orders.model_choice import Chosen, check_memory, check_weights, choose, learner_choice, model_notes
from app.valuations.orders.quotes import distinct_coalitions
from app.valuations.orders.refusals import refused
from app.valuations.orders.terms import payout_terms
from app.valuations.orders.test_commitment import commit, far_apart
from app.valuations.orders.unfit import left_out
from app.valuations.orders.vocabulary import check_attributions, check_rows, check_vocabulary, named_classes
from app.valuations.schemas import Model, NewValuation
from contract.learning.learners import ARCHITECTURES, Architecture
from contract.metrics import METRICS, Predicts
from contract.orders.estimators import budget_fault
from contract.orders.fit import FitAnswer, Offer
from contract.orders.game import FrozenGame
from contract.orders.grants import Grant
from contract.orders.job import AwayTerms, LateTest, PayeePart
from contract.orders.lot import LotDraw
from contract.results.row_values import ROWS_NONE
from contract.rows.features import ALL_FEATURES
from contract.rows.segments import MOST_OF_JOB


@dataclass(frozen=True)
class Admission:
    """The caller of an order, and what the order is checked against; ``defer`` as for the Fitter; ``explores``: it
    is an exploration, which is charged as one; ``besides``: what it asks that the order does not say."""

    session: Session
    blobs: BlobStore
    settings: Settings
    caller: Caller
    defer: bool = False
    explores: bool = False
    besides: str = ""

    def read(self, order: NewValuation, licence_problems: list[FieldError] | None = None) -> FittedOrder:
        """Check an order, charge for what it asks of others' rows, and have its files read; raises as ``admit`` does,
        and TooManyRequests where the budget for a dataset is spent."""
        pool_minor = _pool(order)
        _check_terms(order, self.settings)
        _check_deadline(order)
        chosen = choose(self.session, self.caller, order)
        check_vocabulary(order, chosen)
        check_rows(order, chosen)
        check_attributions(order, chosen)
        self._check_device(order)
        check_memory(self.settings, chosen)
        rows = repository.datasets_by_id(self.session, {*order.datasets, order.test_dataset})
        datasets = named_datasets.offered(rows, order, licence_problems, chosen.reads)
        if self.explores:
            named_datasets.check_unasked(datasets)
        test = named_datasets.test_set(rows, self.caller, order, chosen.reads)
        late = self._late(order, test, datasets, licence_problems)
        groups = named_datasets.of_payees(order, datasets)
        if len(groups) == 1 and order.mode == "full":
            raise refused(
                "/datasets",
                "a full valuation divides a pool among players, and this job has one; "
                "name another provider's dataset, set players to dataset, or set mode to partial",
            )
        away = stays_home.registrations(self.blobs, datasets)
        test_lots.check(order, chosen, len(groups), away=bool(away))
        stays_home.check_order(order, chosen, groups, away, explores=self.explores)
        offers = self._offers(order, groups)
        uploaded = repository.upload_moments(self.session, datasets)
        bands = Bands.of(self.settings)
        draws = drawn_by(bands, self.caller.account_id, test, datasets)
        lot = test_lots.draw_of(order, bands, self.caller.account_id, datasets)
        files = replace(
            _files(order, chosen, test, datasets, offers, uploaded, draws, lot),
            least_segment=self.settings.least_rows_valued,
            segment_draws=segments_drawn_by(bands),
        )
        asks = DisclosureKind.EXPLORATION if self.explores else DisclosureKind.JOB
        kind = asks if licence_problems is None else DisclosureKind.QUOTE
        quoted = kind is DisclosureKind.QUOTE
        to_charge = questions(order, chosen, test, groups, quoted=quoted, besides=self.besides)
        disclosure.charge(self.session, self.settings, self.caller, kind, to_charge)
        if order.rows != ROWS_NONE and not quoted:
            disclosure.charge(self.session, self.settings, self.caller, kind, of_rows(to_charge))
        fitted = self._fitted(files, chosen)
        dropped = {uuid.UUID(each.dataset) for each in fitted.answer.unfit}
        datasets, groups, offers = _kept(datasets, groups, offers, dropped)
        return FittedOrder(pool_minor, chosen, test, datasets, groups, offers, fitted, away, late, files.lot)

    def admit(self, order: NewValuation, licence_problems: list[FieldError] | None = None) -> Admitted:
        """Check an order whole; raises InvalidInput (or InvalidData) naming the field, the rule and the mend.

        With ``licence_problems`` (a quote) licences that forbid the job are added there and do not refuse it.
        """
        read = self.read(order, licence_problems)
        chosen, fitted = read.chosen, read.fitted
        self._check_rows(order, read.groups, fitted.answer)
        stays_home.check_network(order, chosen, fitted.size, [each.rows for each in read.away.values()])
        payees = _payees(read.groups, read.offers, fitted.answer, order.delivered)
        _check_segments(fitted.answer)
        check_deliveries(order, [(payee.shown, payee.grants) for payee in payees], trained=chosen.trained)
        check_weights(chosen, fitted.shape, fitted.classes)
        if licence_problems is None:
            # a quote tells nothing that rests on copies: the first of these does
            _check_players(fitted.answer)
            _check_budgets(order, read.groups)
        answer = fitted.answer
        game = _game(order, chosen, fitted, stays_home.composed_by(order, chosen, read.away))
        stays_home.check_adapter(game)
        # a commitment of its own for each job: its files may have been read for an earlier question
        uploaded_at = repository.upload_moments(self.session, [read.test])[read.test.id]
        measured = commit(answer.mix, answer.test.digest, uploaded_at, read.late)
        measured = measured.model_copy(update={"lot": test_lots.seal_of(read.draw, answer)})
        notes = overlap_notes(Bands.of(self.settings), self.caller.account_id, order, read.offers, answer)
        return Admitted(
            game=game,
            players=answer.seats,
            payees=payees,
            test=test_lots.own_test(fitted.test_file, answer),
            lot=() if answer.lot is None else answer.lot.files,
            test_dataset=read.test.id,
            pool_minor=read.pool_minor,
            size=test_lots.with_lot(fitted.size, answer),
            contents={dataset.id: dataset.digest for dataset in read.datasets if dataset.digest is not None},
            measured=measured,
            # how the providers' labels are mixed follows from all of their rows: the quote does not tell
            notes=(
                *notes,
                *model_notes(chosen),
                *late_tests.note(read.late, len(read.datasets)),
                *stays_home.notes(
                    read.groups, [offer.shown for offer in read.offers], read.away, order.payout.open_rows
                ),
                *(far_apart(measured) if licence_problems is None else ()),
                *delivery_notes(order, [(payee.shown, payee.grants) for payee in payees]),
                *price_notes(order, [(payee.shown, payee.rows_offers) for payee in payees]),
                *consent_notes(order, self.settings, [payee.shown for payee in payees if payee.by_request]),
            ),
            findings=(*(left_out(each) for each in answer.unfit), *answer.findings),
            trained=chosen.trained,
            away=self._away_terms(order) if read.away else None,
            agents=len(read.away),
            segments=answer.segments,
        )

    def _late(
        self, order: NewValuation, test: Dataset, datasets: list[Dataset], licence_problems: list[FieldError] | None
    ) -> LateTest:
        """For which datasets the test set is late; raises InvalidInput where that is refused."""
        moments = repository.upload_moments(self.session, [test, *datasets])
        handed = repository.handed_over(self.session, self.caller.account_id, datasets, moments[test.id])
        late = late_tests.late_test(test, datasets, moments, handed)
        late_tests.check(order, self.settings, late)
        problems = late_tests.licence_problems(order, datasets, late)
        if licence_problems is not None:
            licence_problems += problems
        elif problems:
            raise InvalidInput(problems[0].detail, errors=problems)
        return late

    def _away_terms(self, order: NewValuation) -> AwayTerms:
        # one question goes to the agents of several providers
        shown = pseudonyms.shown_to(self.session, pseudonyms.EVERYBODY, {self.caller.account_id})
        buyer = public_id("acc", shown[self.caller.account_id].id)
        return AwayTerms(
            buyer=buyer, purpose=order.purpose, copies=order.payout.copies, open_rows=order.payout.open_rows
        )

    def _check_device(self, order: NewValuation) -> None:
        """A job for a device that no worker serves would wait for ever."""
        if order.device != "cpu" and not repository.device_known(self.session, order.device):
            raise refused(
                "/device",
                f"device {order.device}: this deployment knows no worker that serves it; leave device at cpu, or ask "
                "the administrator for one",
            )

    def _check_rows(self, order: NewValuation, groups: Sequence[Sequence[Dataset]], answer: FitAnswer) -> None:
        """The value of a few rows tells of each of them. Counted are all that are offered, copies among them."""
        least = self.settings.least_rows_valued
        for group, member in zip(groups, answer.members, strict=True):
            if member.rows < least:
                names = ", ".join(f"ds_{dataset.id.hex}" for dataset in group)
                raise refused(
                    f"/datasets/{order.datasets.index(group[0].id)}",
                    f"{names}: {member.rows} rows are offered, and fewer than {least} are not valued, because their "
                    "value would tell of single rows; leave them out, or name more of the same provider's data",
                )

    def _offers(self, order: NewValuation, groups: Sequence[Sequence[Dataset]]) -> list[Offer]:
        """The offers of the order: a provider with all of its datasets, or each dataset."""
        names = repository.account_names(self.session, {group[0].provider_id for group in groups})
        offers = []
        for group in groups:
            provider, datasets = group[0].provider_id, tuple(dataset.id.hex for dataset in group)
            if order.players == "provider":
                name, shown = f"acc_{provider.hex}", names[provider]
            else:
                name, shown = f"ds_{group[0].id.hex}", f"{names[provider]}: {group[0].name}"
            offers.append(Offer(name=name, shown=shown, datasets=datasets))
        return offers

    def _fitted(self, files: OrderFiles, chosen: Chosen) -> Fitted:
        """The job's files as the model reads them."""
        fitter = Fitter(self.session, self.blobs, self.settings, self.defer)
        if files.segments and files.segments == (files.target or files.test.target):
            raise refused("/segments/column", f"the column `{files.segments}` is the target; name another")
        if files.group and chosen.reads is not Architecture.LM and files.group == (files.target or files.test.target):
            raise refused("/test_group", f"the column `{files.group}` is the target; name another, or none")
        if chosen.reads is not None and files.image_size is not None:
            raise refused("/image_size", "a frozen model takes images of its own size; leave image_size out")
        if chosen.reads is not None and files.features != ALL_FEATURES:
            raise refused("/features", "a frozen model reads texts or images, no columns; leave features out")
        if chosen.reads is Architecture.LM and files.label_map:
            raise refused("/label_map", "a language model predicts tokens, no labels; leave label_map out")
        if chosen.reads is None:
            fitted = fitter.tables(files)
            _check_shape(fitted, chosen.model)
            return fitted
        read = fitter.texts if chosen.reads is Architecture.LM else fitter.items
        return read(files, chosen.model, chosen.frozen_base)


def _game(order: NewValuation, chosen: Chosen, fitted: Fitted, composed: str | None) -> FrozenGame:
    """Everything that can change a worth; raises InvalidInput where the metric's options name a class that is none."""
    answer = fitted.answer
    game = FrozenGame(
        players=tuple(player.digest for player in answer.seats),
        test=answer.test.digest,
        encoding=fitted.encoding,
        learner=learner_choice(chosen),
        checkpoint=chosen.weights,
        base=chosen.base_digest,
        metric=order.measured_by,
        mode=order.mode,
        unlearning=dict(order.unlearning.options),
        seed=order.seed,
        device=order.device,
        class_weights=order.class_weights,
        shard_rows=shard_rows(order, sum(player.rows for player in answer.seats)),
        groups=None if answer.test.groups is None else answer.test.groups.digest,
        segments=answer.segmented,
        statistics=chosen.statistics,
        composed=composed,
    )
    with named_classes():
        game.measured_by  # noqa: B018 - the classes that the metric's options name are these
    return game


def _files(
    order: NewValuation,
    chosen: Chosen,
    test: Dataset,
    datasets: Sequence[Dataset],
    offers: Sequence[Offer],
    uploaded: Mapping[uuid.UUID, datetime],
    draws: str,
    lot: LotDraw | None,
) -> OrderFiles:
    """The files of an order with what it says of them; of a delivered model, what its own job said."""
    said = order if chosen.delivered is None else chosen.delivered.order
    return OrderFiles(
        test=test,
        datasets=datasets,
        target=order.target,
        image_size=order.image_size,
        offers=offers,
        copies=order.payout.copies,
        uploaded=uploaded,
        by_name=chosen.weights is not None,
        features=said.features,
        label_map=said.label_map,
        missing_labels=order.missing_labels,
        drop_unfit=order.drop_unfit,
        target_is="number" if _predicts_number(order, chosen) else said.target_is,
        group=order.test_group or "",
        draws=draws,
        segments="" if order.segments is None else order.segments.column,
        lot=lot,
        encoding=None if chosen.delivered is None else chosen.delivered.encoding,
    )


def _predicts_number(order: NewValuation, chosen: Chosen) -> bool:
    return ARCHITECTURES[chosen.model.name].predicted(METRICS[order.metric]) is Predicts.NUMBER


def _kept(
    datasets: list[Dataset], groups: list[list[Dataset]], offers: list[Offer], dropped: Collection[uuid.UUID]
) -> tuple[list[Dataset], list[list[Dataset]], list[Offer]]:
    """Datasets, groups and offers without datasets that were left out, in their order; a group needs one."""
    if not dropped:
        return datasets, groups, offers
    gone = {dataset.hex for dataset in dropped}
    kept = [[dataset for dataset in group if dataset.id not in dropped] for group in groups]
    left = [
        offer.model_copy(update={"datasets": tuple(each for each in offer.datasets if each not in gone)})
        for offer in offers
    ]
    return (
        [dataset for dataset in datasets if dataset.id not in dropped],
        [group for group in kept if group],
        [offer for offer in left if offer.datasets],
    )


def _check_players(answer: FitAnswer) -> None:
    """Somebody must be left to pay. Whoever is left alone by copies is paid alone: a refusal would tell of the rows."""
    if not answer.seats:
        raise refused(
            "/test_dataset",
            "the rows of these datasets are in the test set, where they count for nobody, and nobody is left; "
            "name a test set whose rows no provider holds, or other data",
        )


def _check_segments(answer: FitAnswer) -> None:
    count = sum(len(member.segments) for member in answer.members)
    if count > MOST_OF_JOB:
        raise refused(
            "/segments/column",
            f"the providers' rows have {count} segments together, and {MOST_OF_JOB} are valued at most; name a column "
            "of fewer values, or fewer datasets",
        )


def _check_budgets(order: NewValuation, groups: Sequence[Sequence[Dataset]]) -> None:
    """Budgets under which the estimator can work at all, for the players of the catalogue: how many copies leave would
    tell of the rows, and fewer need no more. Shards are many more players, and a job may stop early."""
    if order.payout.shards is not None or order.segments is not None:
        return
    offered = ["/".join(sorted(dataset.digest or "" for dataset in group)) for group in groups]
    retrains = order.max_retrains if order.fidelity == "retrain" else None
    fault = budget_fault(order.estimator, len(offered), distinct_coalitions(offered), order.max_evaluations, retrains)
    if fault is not None:
        raise refused("/estimator", fault)


def _payees(
    groups: Sequence[Sequence[Dataset]], offers: Sequence[Offer], answer: FitAnswer, delivered: Sequence[Grant]
) -> tuple[AdmittedPayee, ...]:
    """The payees, in the order of their players."""
    return tuple(
        AdmittedPayee(
            name=offers[at].name,
            shown=offers[at].shown,
            provider_id=groups[at][0].provider_id,
            datasets=tuple(uuid.UUID(dataset) for dataset in offers[at].datasets),
            digest=answer.members[at].digest,
            rows=answer.members[at].rows,
            reserve=sum(least_of(dataset, delivered) for dataset in groups[at]),
            rows_offers=rows_offers(groups[at]),
            part=PayeePart(answer.members[at].seat, *answer.members[at].part),
            grants=granted_by(groups[at]),
            segments=answer.members[at].segments,
            by_request=tuple(dataset.id for dataset in groups[at] if by_request(dataset)),
        )
        for at in answer.order
    )


def shard_rows(order: NewValuation, rows: int) -> int:
    """Rows of a shard: by the rows of the whole job, which stay the same however they are spread over accounts."""
    return 0 if order.payout.shards is None else -(-rows // order.payout.shards)


def _pool(order: NewValuation) -> int:
    try:
        return money.parse(order.pool, order.currency, name="pool")
    except InvalidInput as error:
        field = "/currency" if order.currency not in money.EXPONENTS else "/pool"
        raise refused(field, error.detail) from None


def _check_terms(order: NewValuation, settings: Settings) -> None:
    try:
        payout_terms(order.payout, order.currency, settings.platform_fee_basis_points)
    except InvalidInput as error:
        raise refused("/payout", error.detail) from None


def _check_deadline(order: NewValuation) -> None:
    if order.deadline is not None and order.deadline <= datetime.now(UTC):
        raise refused("/deadline", f"deadline {order.deadline.isoformat()} has passed; give a later one, or none")


def _check_shape(fitted: Fitted, model: Model) -> None:
    images = len(fitted.shape) > 1
    if images and model.name != "cnn":
        raise refused(
            "/model/name", f"these datasets hold images, and {model.name} takes columns; set the model to cnn"
        )
    if not images and model.name == "cnn":
        raise refused("/model/name", "cnn takes images (NPZ, X of shape [n, height, width]); choose logistic or mlp")
