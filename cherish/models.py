"""The API's bodies and answers as typed data. Made from docs/openapi.json by tools/client_code.py; edit neither."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from cherish.records import Record


class AcceptanceBody(Record):
    """An invitation's token and the password that its user chooses."""

    password: str
    token: str


class AccountAnswer(Record):
    """One organisation."""

    created_at: datetime
    id: str
    name: str
    role: Role
    status: AccountStatus
    status_reason: str | None


class AccountBody(Record):
    """A new organisation."""

    name: str
    role: Role


AccountKind = (
    Literal[
        "buyer_wallet",
        "escrow",
        "provider_payable",
        "provider_accrued",
        "holdback",
        "dispute",
        "platform_fee",
        "compute_cost",
        "payment_clearing",
    ]
    | str
)


AccountStatus = Literal["pending", "active", "suspended"] | str


AdStatus = Literal["open", "closed"] | str


class AdditionAnswer(Record):
    """What one dataset adds to all the others: two models that were both trained, so no unlearning is in it."""

    dataset_id: str
    high: float | None
    low: float | None
    part: float
    sentence: str


Admits = Literal["invited", "domain"] | str


class AgentsEffort(Record):
    """What each agent is asked, at most and roughly. ``seconds_per_100_ms`` is added by a latency of 100 ms a
    round."""

    agents: int
    bytes_received: int
    bytes_sent: int
    rounds: int
    seconds_per_100_ms: float
    sentence: str


class Alive(Record):
    """The process answers."""

    status: Literal["ok"] | str | None = None


Approval = Literal["automatic", "by_request"] | str


Architecture = (
    Literal[
        "logistic",
        "mlp",
        "cnn",
        "ridge",
        "lm",
        "encoder",
        "backbone",
        "lora",
        "boosted_trees",
        "random_forest",
        "knn",
        "svm_rbf",
    ]
    | str
)


class AskerAnswer(Record):
    """What one organisation was told of a dataset: the points that count now, its questions ever, the last one."""

    asker: str
    last_at: datetime
    questions: int
    spent: int


class AskingAnswer(Record):
    """What is asked for uses beyond the value, in decimals of ``currency``."""

    currency: str
    data: str | None
    data_share: float | None
    model: str | None


class AskingBody(Record):
    """What is asked for uses beyond the value, for each version of the data. What is null is not asked for."""

    currency: str | None = None
    data: str | None = None
    data_share: float | None = None
    model: str | None = None


class AttemptAnswer(Record):
    """One request that was made; ``response`` is the beginning of what came back."""

    error: str | None
    milliseconds: int
    number: int
    response: str
    started_at: datetime
    status: int | None


class AttributedAnswerView(Record):
    """What the providers' data adds to an answer, in nats a token, and each provider's part of it and share."""

    gain: float
    shares: list[float]
    tokens: int
    values: list[float]


class AttributedProvider(Record):
    """A payee whose data answers are attributed to; ``part`` is what it has of a player that is several payees'."""

    part: float
    position: int
    provider: str


class AttributionAnswer(Record):
    """Which providers answers leaned on: `queued`, `done`, or `refused` with the reason."""

    answers: list[AttributedAnswerView] | None = None
    created_at: datetime
    id: str
    providers: list[AttributedProvider] | None = None
    reason: str | None = None
    status: Literal["queued", "done", "refused"] | str
    together: AttributedAnswerView | None = None
    valuation_id: str


class AuditAnswer(Record):
    """One change: who did what to which object, when, from where, and what they asked for (secrets masked)."""

    account_id: str | None
    action: str
    address: str | None
    created_at: datetime
    detail: dict[str, Any]
    id: str
    key_id: str | None
    note: str | None
    object: str | None
    request_id: str | None
    subject_id: str | None
    user_id: str | None


class BalanceAnswer(Record):
    """What one organisation has in one currency."""

    accrued: str
    available: str
    currency: str
    held: str
    reserved: str


class BalancesAnswer(Record):
    """One balance for each currency that the organisation has ever had."""

    balances: list[BalanceAnswer]


class BestSetAnswer(Record):
    """The best few datasets of one size among those that were computed."""

    datasets: list[str]
    high: float | None
    low: float | None
    part: float
    price: str | None
    price_part: float | None
    sentence: str
    size: int


class BillingAnswer(Record):
    """An organisation's billing details; all of it null before they were given."""

    address: str | None = None
    country: str | None = None
    name: str | None = None
    vat_id: str | None = None
    vat_note: str | None = None
    vat_percent: str | None = None


class BillingBody(Record):
    """Whom invoices and credit notes are made out to."""

    address: str
    country: str
    name: str
    vat_id: str | None = None
    vat_note: str | None = None
    vat_percent: float | str | None = None


class BucketBody(Record):
    """Which S3-compatible store an `s3://` address is of, and a key that may read the object. None of it is kept."""

    access_key_id: str | None = None
    endpoint: str | None = None
    region: str | None = None
    secret_access_key: str | None = None
    session_token: str | None = None


class ByClassAnswer(Record):
    """What each player did for each class of the test set: Shapley values of the class's recall. Contributions to
    a class add up to its recall with everybody less that with nobody. Models are those of ``source``, not
    corrected by training anew; ``exact``: all combinations are known, else the values are estimated from those
    that are."""

    classes: list[ClassAnswer]
    exact: bool
    players: list[PlayerByClass]
    source: str
    untold: list[str]
    valuation_id: str


class ByClassPending(Record):
    """A worker is at the contributions by class; ask again."""

    status: Literal["computing"] | str | None = None
    valuation_id: str


class CatalogSearch(Record):
    """Datasets of the catalogue by what is looked for, newest first, as `GET /v1/catalog` finds them."""

    format: DatasetFormat | None = None
    licence: str | None = None
    max_rows: int | None = None
    min_rows: int | None = None
    modality: Modality | None = None
    most: int | None = None
    q: str | None = None


class Certificate(Record):
    """The result and the payouts, signed: Ed25519 over the canonical JSON (sorted keys, no spaces) of
    `certificate`."""

    algorithm: str
    certificate: dict[str, Any]
    digest: str
    public_key: str
    signature: str


class CertificateKey(Record):
    """The public key that this deployment's certificates are checked with, base64 of 32 bytes; those it signed
    with earlier, in whose files they are named."""

    algorithm: str
    earlier_public_keys: list[str]
    public_key: str


class Checked(Record):
    """Worths that were computed a second time and were the same to the last bit."""

    by_another_worker: int
    worths: int


class CheckpointAnswer(Record):
    """One checkpoint; ``digest``, ``size_bytes`` and ``tensors`` are null while it has no weights, ``facts``
    except where its content is a folder: what that says of the model."""

    architecture: Architecture
    base: str | None
    created_at: datetime
    digest: str | None
    erased_at: datetime | None
    facts: dict[str, Any] | None
    hyper: dict[str, float]
    id: str
    name: str
    size_bytes: int | None
    tensors: dict[str, Tensor] | None
    unlearning: WithdrawalMethod | None
    version: int


class CheckpointBody(Record):
    """A model by its architecture and hyper-parameters; its weights are uploaded afterwards, or trained by the
    job. An `lm` without a `base`, an `encoder` and a `backbone` are model folders, uploaded as a zip; an `lm`
    with a `base` is an adapter on it, a `logistic` or `mlp` with a `base` a head on the features of that
    encoder or backbone, and a `lora` a head with adapters inside it."""

    architecture: Architecture
    base: str | None = None
    hyper: dict[str, float] | None = None
    name: str
    unlearning: WithdrawalMethod | None = None


class CheckpointChanges(Record):
    """What can be changed of a checkpoint; what is left out stays."""

    name: str | None = None
    unlearning: WithdrawalMethod | None = None


class CheckpointErasedMessage(Record):
    """As the API's document says."""

    data: CheckpointForgot
    timestamp: datetime
    type: Literal["checkpoint.erased"] | str


class CheckpointForgot(Record):
    """A checkpoint of the receiver's has forgotten a withdrawn dataset: by ``method``, which is ``erase`` where
    its weights were erased. The certificate is under ``/v1/checkpoints/{id}/unlearnings/{unlearning_id}``.
    """

    dataset_id: str
    id: str
    method: str
    unlearning_id: str


class CheckpointUnlearnedMessage(Record):
    """As the API's document says."""

    data: CheckpointForgot
    timestamp: datetime
    type: Literal["checkpoint.unlearned"] | str


class CheckpointUpload(Record):
    """Weights that come in parts."""

    checkpoint_id: str
    expires_at: datetime
    id: str
    length: int
    offset: int
    sha256: str | None


class CheckpointUploads(Record):
    """Uploads that wait for more, newest first."""

    items: list[CheckpointUpload]


class ClassAnswer(Record):
    """A class of the test set: its test rows, and the part of them that nobody's and everybody's model answer
    right."""

    everybody: float
    name: str
    nobody: float
    rows: int


class ClassCell(Record):
    """What a player did for a class, in its recall, to hundredths, with its 95 % interval; ``sure``: apart from 0.
    The interval holds what other test rows and, where not all combinations are known, estimating would change;
    null in answers from before it was told."""

    high: float | None = None
    low: float | None = None
    sure: bool
    value: float


class Column(Record):
    """One column of the file."""

    name: str
    type: str


class ColumnProfile(Record):
    """What was found in one column; what its type has none of is null."""

    distinct: int | None = None
    histogram: list[int] | None = None
    max: float | None = None
    mean: float | None = None
    min: float | None = None
    missing: int
    most_frequent: list[FrequentValue] | None = None
    name: str
    type: str


class ConsentAnswer(Record):
    """What a provider is asked: may this job use these datasets, for whom, what for, where, on which terms and for
    what price. Once approved it is final for the job and what tops it up."""

    answer_until: datetime
    answered_at: datetime | None
    buyer: str
    buyer_id: str
    created_at: datetime
    currency: str
    datasets: list[str]
    deliver: list[str]
    job_status: ValuationStatus
    measured_on: MeasuredOn | None
    metric: str
    note: str | None
    pool: str
    providers: int
    purpose: str | None
    reserve: str | None
    rows: int
    status: ConsentStatus
    terms: list[str]
    territory: str | None
    valuation_id: str


class ConsentAnswered(Record):
    """A provider answered whether its data may be used in the receiver's job, or its time ran out: ``status`` is
    approved, refused or lapsed. ``pending`` says how many have not answered."""

    pending: int
    provider_id: str
    status: str
    valuation_id: str


class ConsentAnsweredMessage(Record):
    """As the API's document says."""

    data: ConsentAnswered
    timestamp: datetime
    type: Literal["consent.answered"] | str


class ConsentBody(Record):
    """What is said with an approval or a refusal; the buyer reads it."""

    note: str | None = None


class ConsentRequested(Record):
    """A job was posted that names datasets of the receiver's whose licence demands approval of each job. It waits
    for ``POST /v1/me/consents/{valuation_id}/approve`` (or ``refuse``) until ``answer_until``; buyer, purpose,
    terms and price are at ``/v1/me/consents/{valuation_id}``."""

    answer_until: datetime
    ids: list[str]
    valuation_id: str


class ConsentRequestedMessage(Record):
    """As the API's document says."""

    data: ConsentRequested
    timestamp: datetime
    type: Literal["consent.requested"] | str


ConsentStatus = Literal["pending", "approved", "refused", "lapsed", "closed"] | str


CopiesRule = Literal["separate", "group", "first"] | str


class CreatedAccount(Record):
    """A new organisation and its first key; the token is shown this once and null when the answer is replayed."""

    created_at: datetime
    id: str
    name: str
    role: Role
    status: AccountStatus
    status_reason: str | None
    token: str | None


class CreatedKey(Record):
    """A new key with its token, shown this once; null when the answer is replayed."""

    created_at: datetime
    expires_at: datetime | None
    id: str
    last_used_at: datetime | None
    name: str
    prefix: str
    revoked_at: datetime | None
    scopes: list[str]
    token: str | None


class CroissantBody(Record):
    """A Croissant 1.0 or 1.1 document, and what it cannot say. Its bytes are uploaded afterwards, like any others."""

    croissant: dict[str, Any]
    modality: Modality | None = None
    target: str | None = None


class DataAccessAnswer(Record):
    """A buyer was given the rows of one of your datasets."""

    buyer: str
    by_link: bool | None = None
    content: str
    copy_digest: str | None = None
    created_at: datetime
    dataset_id: str
    valuation_id: str


class DataLinkAnswer(Record):
    """A link to rows that a job delivers. Whoever has it fetches them until it ends, and each access is shown to
    the provider; a withdrawal ends it, too."""

    created_at: datetime
    ends_at: datetime
    id: str
    taken_back_at: datetime | None
    url: str


class DataLinkBody(Record):
    """For how long a link works."""

    hours: int | None = None


class DataLinks(Record):
    """Links to one dataset of a job, the newest first."""

    items: list[DataLinkAnswer]


class DatasetAnswer(Record):
    """One dataset; what the bytes told is null until they are uploaded, and its terms until it is published."""

    asking: AskingAnswer | None = None
    columns: list[Column] | None
    created_at: datetime
    description: str
    digest: str | None
    findings: list[Noticed]
    format: DatasetFormat | None
    id: str
    kind: DatasetKind
    licence: LicenceAnswer | None
    modality: Modality | None
    name: str
    preview_rows: int
    published_at: datetime | None
    reserve_currency: str | None
    reserve_price: str | None
    rows: int | None
    size_bytes: int | None
    status: DatasetStatus
    taken_down: str | None
    target: str | None
    version: int


class DatasetBody(Record):
    """A new dataset, still without bytes. ``kind`` is train for providers and test for buyers, unless given."""

    description: str | None = None
    format: DatasetFormat | None = None
    kind: DatasetKind | None = None
    modality: Modality | None = None
    name: str
    target: str | None


class DatasetDisclosed(Record):
    """Somebody asked a question whose answer depends on rows of the receiver's datasets: ``kind`` is quote, job,
    exploration, metric, attribution or listing, and each of the datasets in ``ids`` was charged ``points`` of
    the asker's budget for it."""

    ids: list[str]
    kind: str
    points: int


class DatasetDisclosedMessage(Record):
    """As the API's document says."""

    data: DatasetDisclosed
    timestamp: datetime
    type: Literal["dataset.disclosed"] | str


class DatasetDownloaded(Record):
    """The buyer of a job that paid for a dataset of the receiver's was given its rows, as the licence grants."""

    id: str
    valuation_id: str


class DatasetDownloadedMessage(Record):
    """As the API's document says."""

    data: DatasetDownloaded
    timestamp: datetime
    type: Literal["dataset.downloaded"] | str


DatasetFormat = Literal["csv", "tsv", "parquet", "npz", "jsonl", "json", "xlsx", "text", "zip", "agent"] | str


DatasetKind = Literal["train", "test"] | str


class DatasetNamed(Record):
    """A job was posted that values datasets of the receiver's. The buyer, the purpose, the terms and the pool are
    at ``/v1/me/valuations/{valuation_id}``."""

    ids: list[str]
    valuation_id: str


class DatasetNamedMessage(Record):
    """As the API's document says."""

    data: DatasetNamed
    timestamp: datetime
    type: Literal["dataset.named"] | str


class DatasetSold(Record):
    """The buyer of a settled job bought the rows of a dataset of the receiver's, for the price that is asked; the
    money is at ``/v1/me/statement``."""

    id: str
    valuation_id: str


class DatasetSoldMessage(Record):
    """As the API's document says."""

    data: DatasetSold
    timestamp: datetime
    type: Literal["dataset.sold"] | str


DatasetStatus = Literal["draft", "ready", "published", "withdrawn"] | str


class DatasetTake_Down_LiftedMessage(Record):
    """As the API's document says."""

    data: DatasetTakenDown
    timestamp: datetime
    type: Literal["dataset.take_down_lifted"] | str


class DatasetTakenDown(Record):
    """An administrator took a listing of the receiver's down, for ``reason``, or lifted that (``reason`` is null):
    it can be published again."""

    id: str
    reason: str | None = None


class DatasetTaken_DownMessage(Record):
    """As the API's document says."""

    data: DatasetTakenDown
    timestamp: datetime
    type: Literal["dataset.taken_down"] | str


class DatasetUnreadable(Record):
    """A job was posted that named a dataset of the receiver's and went on without it: its columns, or what is in
    them, do not fit the job's other files. Which these are, and what the test set has, is not told."""

    id: str


class DatasetUnreadable_For_OrderMessage(Record):
    """As the API's document says."""

    data: DatasetUnreadable
    timestamp: datetime
    type: Literal["dataset.unreadable_for_order"] | str


class DatasetWithdrawn(Record):
    """A provider withdrew a dataset; ``checkpoints`` names those of the receiver that have seen it, which will be
    made to forget it. Until ``answer_until`` the receiver can say how (null: it has, for each of them).
    """

    answer_until: datetime | None = None
    checkpoints: list[str] | None = None
    id: str


class DatasetWithdrawnMessage(Record):
    """As the API's document says."""

    data: DatasetWithdrawn
    timestamp: datetime
    type: Literal["dataset.withdrawn"] | str


class DeliveredDataAnswer(Record):
    """A dataset that a job delivers: the SHA-256 of the version that was valued, or why it is not to be had."""

    bought_at: datetime | None = None
    content: str | None
    currency: str | None = None
    dataset_id: str
    for_sale: bool | None = None
    format: str
    price: str | None = None
    provider: str
    reason: str | None
    share: float | None = None


class DeliveryAnswer(Record):
    """One event on its way to one endpoint. ``error`` says why it is not delivered, or not yet."""

    attempts: int
    created_at: datetime
    error: str | None
    event_id: str
    finished_at: datetime | None
    id: str
    next_attempt_at: datetime | None
    status: DeliveryStatus
    type: EventType


class DeliveryDetail(Record):
    """One delivery with what was sent and every attempt, last first."""

    attempts: int
    created_at: datetime
    data: dict[str, Any]
    error: str | None
    event_id: str
    finished_at: datetime | None
    id: str
    log: list[AttemptAnswer]
    next_attempt_at: datetime | None
    status: DeliveryStatus
    type: EventType


DeliveryStatus = Literal["pending", "succeeded", "failed"] | str


class DepositAnswer(Record):
    """A deposit in the ledger."""

    account_id: str
    amount: str
    created_at: datetime
    currency: str
    id: str
    reference: str


class DepositBody(Record):
    """Money that has come in for a buyer. One reference is one deposit, however often it is told."""

    account_id: str
    amount: str
    currency: str
    reference: str


class DifferenceAnswer(Record):
    """Everybody's model with a change of the data beside the job's own: two models that were both trained."""

    after: float
    before: float
    datasets: list[str]
    high: float
    low: float
    part: float
    sentence: str


class DirectAnswer(Record):
    """A file that its owner sends to the store in parts. All but the last have ``part_bytes``."""

    dataset_id: str
    expires_at: datetime
    id: str
    length: int
    part_bytes: int
    parts: int
    sha256: str


class DirectBody(Record):
    """A file that its owner will send to the store itself."""

    length: int
    sha256: str


class DirectPart(Record):
    """A part that is not in the store yet: `PUT` these ``size`` bytes to ``url``, without a key of ours."""

    number: int
    offset: int
    size: int
    url: str


class DirectParts(Record):
    """The first parts that are not in the store yet, at most 100, and how many there are; none: complete it."""

    items: list[DirectPart]
    missing: int
    seconds: int


class DirectUploads(Record):
    """Direct uploads that wait for more, newest first."""

    items: list[DirectAnswer]


class Disclosures(Record):
    """Who asked questions whose answers depend on a dataset's rows, latest first, at most 200. Each organisation
    may spend so many ``points`` in any ``days``."""

    askers: list[AskerAnswer]
    days: float
    points: int


class DisputeAnswer(Record):
    """What is set apart until an administrator decides."""

    currency: str
    disputed: str
    valuation_id: str


class DisputeBody(Record):
    """Why a buyer disputes what its job still holds back."""

    kind: DisputeKind | None = None
    reason: str


DisputeKind = Literal["values", "data_not_delivered", "wrong_label_map", "overlap", "other"] | str


class DisputedPart(Record):
    """One provider's money in a dispute."""

    amount: str
    provider_id: str


class DisputesAnswer(Record):
    """Disputes that wait for a decision, oldest first, 200 at most."""

    items: list[OpenDispute]


class DomainAnswer(Record):
    """A language model's perplexity on one domain of the test set, of the base and with all players' data."""

    base: float
    domain: str
    full: float
    tokens: int


class Elsewhere(Record):
    """How much of the dataset one other listing has: none, some, much, or unknown (too few rows). Not whose, and
    not exactly: the bounds are drawn anew for each pair of datasets."""

    coarse: str
    rows: str


class EnrolmentAnswer(Record):
    """What an authenticator is told, this once: the secret (Base32), and the same as an address for its camera."""

    secret: str
    uri: str


class Event(Record):
    """As the API's document says."""

    created_at: datetime
    data: dict[str, Any]
    seq: int
    type: str


EventType = (
    Literal[
        "valuation.succeeded",
        "valuation.failed",
        "valuation.cancelled",
        "valuation.expired",
        "exploration.ended",
        "dataset.withdrawn",
        "dataset.named",
        "consent.requested",
        "consent.answered",
        "dataset.disclosed",
        "dataset.unreadable_for_order",
        "dataset.downloaded",
        "dataset.sold",
        "dataset.taken_down",
        "dataset.take_down_lifted",
        "checkpoint.unlearned",
        "checkpoint.erased",
        "standing.posted",
        "standing.held",
        "wanted.matched",
        "payout.available",
        "webhook.disabled",
        "webhook.ping",
    ]
    | str
)


class Events(Record):
    """A job's events from ``after`` on; ask again with the last ``seq``."""

    items: list[Event]


class EvidenceSealAnswer(Record):
    """What commits a result to its evidence: the Merkle root over its worths and models' answers, how many leaves
    it is over, and the SHA-256 of the document that holds them."""

    document: str
    leaves: int
    root: str


class ExplorationAnswer(Record):
    """An exploration: cheap, coarse, and not audited. It pays nobody."""

    additions: list[AdditionAnswer]
    audited: bool | None = None
    beside: str | None
    compute: str
    created_at: datetime
    currency: str
    datasets: int
    difference: DifferenceAnswer | None
    error: str | None
    evaluations: dict[str, int]
    findings: list[FindingAnswer]
    finished_at: datetime | None
    gained: bool | None
    id: str
    metadata: dict[str, str]
    metric: str
    model: str
    notes: list[str]
    object: Literal["exploration"] | str | None = None
    ranked: list[ExploredDataset]
    reason: str | None
    sets: list[BestSetAnswer]
    status: ValuationStatus
    test_dataset: str


class ExplorationEnded(Record):
    """An exploration came to its end."""

    id: str
    status: str


class ExplorationEndedMessage(Record):
    """As the API's document says."""

    data: ExplorationEnded
    timestamp: datetime
    type: Literal["exploration.ended"] | str


class ExplorationQuote(Record):
    """What an exploration would compute, and what that costs at most. Nothing is stored."""

    balance: str
    compute: str
    currency: str
    device_seconds: float
    evaluations: dict[str, int]
    notes: list[str]
    sufficient: bool


class ExplorationSummary(Record):
    """An exploration in a list."""

    compute: str
    created_at: datetime
    currency: str
    datasets: int
    finished_at: datetime | None
    id: str
    metadata: dict[str, str]
    status: ValuationStatus


class ExploredDataset(Record):
    """One dataset, best first. Numbers are multiples of 5 points."""

    added: bool
    dataset_id: str
    high: float | None
    low: float | None
    name: str
    price: str | None
    provider: str
    provider_id: str
    rank: int | None
    rows: int
    share: float | None


class Failure(Record):
    """What an administrator needs to know of a job that failed."""

    buyer_id: str
    traceback: str | None
    valuation_id: str


class FailureAnswer(Record):
    """A failed job: what its buyer reads, and the traceback behind it."""

    buyer_id: str
    created_at: datetime
    error: str | None
    finished_at: datetime | None
    reason: str | None
    traceback: str | None
    valuation_id: str


class Fault(Record):
    """One broken rule inside a larger input."""

    detail: str
    pointer: str
    type: str


class FeatureChoice(Record):
    """``use``: only these columns of the test set (None: all); ``leave_out``: not these; ``rename``: a column that
    a provider's file calls by the first name is the test set's column of the second; ``fills``: missing cells
    become the median or the most frequent text of all players' rows, or of the test set's alone (data at home
    needs that)."""

    fills: Literal["players", "test"] | str | None = None
    leave_out: list[str] | None = None
    rename: dict[str, str] | None = None
    use: list[str] | None = None


class FetchBody(Record):
    """An address that the service fetches a dataset's next version from."""

    s3: BucketBody | None = None
    sha256: str | None = None
    token: str | None = None
    url: str


class FindingAnswer(Record):
    """What was noticed of a file; the codes are those of docs/datasets.md."""

    code: str
    column: str | None
    dataset: str | None
    detail: str
    mend: str
    rows: int | None
    severity: Severity
    share: float | None


class Findings(Record):
    """What a worker found in a version."""

    columns: list[ColumnProfile]
    in_other_listings: Elsewhere
    labels: dict[str, int] | None
    repeated_rows: int
    rows: int


class ForecastAnswer(Record):
    """How wide the widest share interval is expected to be, in points, under a larger budget."""

    budget: str
    most: int
    widest: float


class ForgottenAnswer(Record):
    """A withdrawn dataset that the delivered model was made to forget; the certificate is the unlearning's."""

    dataset_id: str
    finished_at: datetime | None
    outcome: str
    unlearning_id: str
    weights_after: str | None


class FoundAccount(Record):
    """An organisation that a search found."""

    id: str
    name: str
    role: Role
    status: AccountStatus


class FoundDataset(Record):
    """A dataset that a search found, and whose it is."""

    id: str
    name: str
    provider: str
    provider_id: str
    status: DatasetStatus


class FoundJob(Record):
    """A job that a search found, and whose it is."""

    buyer: str
    buyer_id: str
    created_at: datetime
    id: str
    status: ValuationStatus


class FrequentValue(Record):
    """A value of a column, and how many rows have it."""

    rows: int
    value: str


class GainAnswer(Record):
    """Whether everybody's model is better than the baseline: the mean paired difference on test rows and its test."""

    baseline: float
    basis: str
    difference: float
    full: float
    gained: bool
    lower: float
    p_value: float
    stderr: float


Grant = Literal["value", "model", "data"] | str


class HitsAnswer(Record):
    """What a search found, newest first, at most 20 of each kind."""

    accounts: list[FoundAccount]
    datasets: list[FoundDataset]
    jobs: list[FoundJob]


class IdentityProviderAnswer(Record):
    """An organisation's provider; `return_url` is to be registered there, and `sign_out_url` where it can sign
    people out (back-channel logout)."""

    admits: Admits
    client_id: str
    domains: list[str]
    issuer: str
    required: bool
    return_url: str
    sign_out_url: str


class IdentityProviderBody(Record):
    """An OpenID Connect provider and this service's client there; without `client_secret` the present one stays."""

    admits: Admits | None = None
    client_id: str
    client_secret: str | None = None
    domains: list[str] | None = None
    issuer: str
    required: bool | None = None


class ImportedAnswer(Record):
    """The draft that a Croissant document became, and the licence it names; null where that is no SPDX id."""

    asking: AskingAnswer | None = None
    columns: list[Column] | None
    created_at: datetime
    description: str
    digest: str | None
    findings: list[Noticed]
    format: DatasetFormat | None
    id: str
    kind: DatasetKind
    licence: LicenceAnswer | None
    modality: Modality | None
    name: str
    preview_rows: int
    proposed_licence: str | None = None
    published_at: datetime | None
    reserve_currency: str | None
    reserve_price: str | None
    rows: int | None
    size_bytes: int | None
    status: DatasetStatus
    taken_down: str | None
    target: str | None
    version: int


class InclusionAnswer(Record):
    """What a provider gets of a job's evidence: the signed root, and a proof for each coalition that its data is
    in. ``statement`` is signed like a certificate: Ed25519 over its canonical JSON. It names the root, which is
    that of the buyer's certificate, and the players of the game that are yours."""

    algorithm: str
    digest: str
    items: list[InclusionProofAnswer]
    next_after: int | None
    public_key: str
    signature: str
    statement: dict[str, Any]


class InclusionProofAnswer(Record):
    """That a leaf is under the root (RFC 6962): its place among all, and the hashes beside its way up."""

    index: int
    leaf: WorthLeafAnswer
    path: list[str]


class InteractionsAnswer(Record):
    """Of all pairs; without any, ``reason`` says why."""

    pairs: list[PairAnswer]
    reason: str | None


class IntervalPartsAnswer(Record):
    """How wide a share's interval would be, in points of the pool, if one cause alone were uncertain: which test
    rows the buyer has, unlearning (and which models were trained anew), the seeds of training. Null: not
    measured."""

    seeds: float | None
    test_rows: float | None
    unlearning: float | None


class InvitedUser(Record):
    """An invited user and the invitation's token, shown this once; null when the answer is replayed."""

    created_at: datetime
    email: str
    id: str
    invitation_token: str | None
    invited_until: datetime
    joined: bool
    last_login_at: datetime | None
    name: str


class JobConsent(Record):
    """One provider that a job waits for, or waited for, as the job's buyer sees it."""

    answer_until: datetime
    answered_at: datetime | None
    datasets: list[str]
    note: str | None
    provider: str
    provider_id: str
    status: ConsentStatus


class JobConsents(Record):
    """Whose consent a job needs, and what they said; empty where it needs none."""

    items: list[JobConsent]


class JobDeliveryAnswer(Record):
    """What a job delivers beside values; ``model`` and ``data`` are null where the order did not ask for them."""

    data: list[DeliveredDataAnswer] | None
    model: ModelAnswer | None
    valuation_id: str


class KeyAnswer(Record):
    """One key, without its token."""

    created_at: datetime
    expires_at: datetime | None
    id: str
    last_used_at: datetime | None
    name: str
    prefix: str
    revoked_at: datetime | None
    scopes: list[str]


class KeyBody(Record):
    """A new key of the caller's account; scopes default to all of its role's."""

    expires_at: datetime | None = None
    name: str
    scopes: list[str] | None = None


class LateTestAnswer(Record):
    """Datasets that were uploaded before the test set, whose rows could have been picked knowing theirs."""

    datasets: list[str]
    seen: list[str]


class LeftOutAnswer(Record):
    """A payee whose data the delivered model is not trained on."""

    provider: str
    reason: str


class LicenceAnswer(Record):
    """What the data may be used for."""

    approval: Approval | None = None
    expires_at: datetime | None
    grants: list[Grant] | None = None
    purposes: list[str] | None
    spdx: str
    territories: list[str] | None
    test_first: bool | None = None


class LicenceBody(Record):
    """What the data may be used for. What is null is not limited."""

    approval: Approval | None = None
    expires_at: datetime | None = None
    grants: list[Grant] | None = None
    purposes: list[str] | None = None
    spdx: str
    territories: list[str] | None = None
    test_first: bool | None = None


class LicenceProblem(Record):
    """Why one of the datasets cannot be used as ordered."""

    detail: str
    pointer: str


class LimitsAnswer(Record):
    """What applies to an organisation: its own numbers, else the settings'."""

    account_id: str
    max_drafts: int
    max_keys: int
    max_running_jobs: int
    max_stored_bytes: int
    max_versions: int
    reads_per_minute: int
    writes_per_minute: int


class LimitsBody(Record):
    """An organisation's own limits; null means the settings' number again, what is left out stays."""

    max_drafts: int | None = None
    max_keys: int | None = None
    max_running_jobs: int | None = None
    max_stored_bytes: int | None = None
    max_versions: int | None = None
    reads_per_minute: int | None = None
    writes_per_minute: int | None = None


class Lineage(Record):
    """The dataset versions that a checkpoint has seen, as your own jobs said: those valued with its weights."""

    items: list[SeenDataset]


class Listing(Record):
    """A published dataset, as anybody in the market sees it."""

    asking: AskingAnswer | None = None
    columns: list[Column]
    description: str
    digest: str
    format: DatasetFormat
    id: str
    licence: LicenceAnswer
    modality: Modality
    name: str
    preview_rows: int
    provider: str
    published_at: datetime | None
    reserve_currency: str | None
    reserve_price: str | None
    rows: int
    size_bytes: int
    target: str | None
    version: int


class LotAnswer(Record):
    """Test rows by lot: how many, which part of each provider's, and the commitment to what drew them."""

    beside: bool
    commitment: str
    part: float
    rows: int
    seed: str | None


class ManifestAnswer(Record):
    """What the buyer of rows holds, signed: which version, whose, for whom, and each copy that was handed over."""

    algorithm: str
    certificate: dict[str, Any]
    digest: str
    public_key: str
    signature: str


class MeAnswer(Record):
    """The caller: its account and what the key at hand may do."""

    created_at: datetime
    id: str
    key_id: str | None
    name: str
    role: Role
    scopes: list[str]


class MeasuredOn(Record):
    """What the job's data is measured on: the buyer's test set, committed to at posting, and its labels."""

    commitment: str
    digest: str | None = None
    distance: float | None
    labels: dict[str, float]
    late: bool | None = None
    lot: LotAnswer | None = None
    pooled: dict[str, float] | None
    rows: int
    salt: str | None = None
    uploaded_at: datetime | None = None


class MetricOptions(Record):
    """The options of metrics; each metric says which it takes, and which it needs."""

    costs: dict[str, dict[str, float]] | None = None
    of_class: str | None = None
    precision: float | None = None


Modality = Literal["tabular", "array", "text", "image"] | str


class Model(Record):
    """What is trained and unlearned: a learner by its name, and its hyper-parameters; lm and lora need a `base`."""

    hyper: dict[str, int | float | str] | None = None
    name: (
        Literal["logistic", "mlp", "cnn", "ridge", "lm", "lora", "boosted_trees", "random_forest", "knn", "svm_rbf"]
        | str
        | None
    ) = None


class ModelAnswer(Record):
    """The model that a job delivers: ``ready``, ``forgetting`` withdrawn data, ``erased`` for it, or ``none``,
    with the reason."""

    checkpoint_id: str | None = None
    forgotten: list[ForgottenAnswer] | None = None
    learner: str | None = None
    left_out: list[LeftOutAnswer] | None = None
    package_digest: str | None = None
    reason: str | None = None
    retrained: bool | None = None
    rows: int | None = None
    score: float | None = None
    score_ci: tuple[float, float] | None = None
    status: Literal["ready", "forgetting", "erased", "none"] | str
    trained_on: list[str] | None = None
    units: int | None = None


class MonthAnswer(Record):
    """One month in one currency: what the statement's entries come to, by what they were for."""

    by_code: dict[str, str]
    came_in: str
    currency: str
    document: str | None
    month: str
    net: str
    went_out: str


class MonthsAnswer(Record):
    """Months in which money moved, newest first."""

    items: list[MonthAnswer]


class MovedAnswer(Record):
    """What a decision moved."""

    amount: str
    currency: str
    transfers: int
    valuation_id: str


class MyByClass(Record):
    """One's own rows in a job by class, of the classes that one has rows of."""

    classes: list[MyClass]
    valuation_id: str


class MyClass(Record):
    """Whether one's rows helped the models with a class, harmed them, or neither for certain."""

    effect: Literal["helped", "harmed", "unsure"] | str
    name: str


class MyPlayer(Record):
    """A provider's own part in a job, as a player; nothing of the others."""

    amount: str | None
    datasets: list[str]
    paid_share: float | None
    reason: str | None
    rows: int
    segments: list[SegmentValue] | None = None
    share: float | None
    share_ci: tuple[float, float] | None
    stderr: float | None
    value: float | None
    value_ci: tuple[float, float] | None
    void: VoidAnswer | None = None


class MyValuation(Record):
    """A job in which this provider's data is valued."""

    buyer: str | None = None
    created_at: datetime
    currency: str
    deliver: list[str] | None = None
    findings: list[FindingAnswer]
    finished_at: datetime | None
    id: str
    measured_on: MeasuredOn | None
    metric: str
    players: list[MyPlayer]
    pool: str | None = None
    purpose: str | None = None
    rows_valued: bool
    status: ValuationStatus
    terms: list[str]
    territory: str | None = None


class NewAttribution(Record):
    """Answers of a delivered model, each by itself."""

    answers: list[SpokenAnswer]


class NewExploration(Record):
    """Which datasets are to be ranked, on what, for how much device time at most."""

    base: str | None = None
    beside: str | None = None
    budget: str | None = None
    currency: str | None = None
    datasets: list[str] | None = None
    device: Literal["cpu", "gpu"] | str | None = None
    difference: bool | None = None
    features: FeatureChoice | None = None
    image_size: int | None = None
    label_map: dict[str, str] | None = None
    max_evaluations: int | None = None
    metadata: dict[str, str] | None = None
    metric: (
        Literal[
            "accuracy",
            "clipped_log_loss",
            "log_loss",
            "roc_auc",
            "balanced_accuracy",
            "f1",
            "average_precision",
            "brier",
            "recall_at_precision",
            "expected_cost",
            "r2",
            "rmse",
            "mae",
            "clipped_r2",
            "clipped_rmse",
            "clipped_mae",
        ]
        | str
        | None
    ) = None
    missing_labels: Literal["leave_out", "refuse"] | str | None = None
    model: Model | None = None
    purpose: str | None = None
    search: CatalogSearch | None = None
    seed: int | None = None
    target: str | None = None
    target_is: Literal["number", "classes"] | str | None = None
    territory: str | None = None
    test_dataset: str | None = None


class NewPasskey(Record):
    """A name of the user's choice, and what the browser answered (`PublicKeyCredential.toJSON()`)."""

    credential: dict[str, Any]
    name: str


class NewStandingOrder(Record):
    """Repeat a job of yours whenever a dataset of it has a new version, on the same terms."""

    monthly_cap: str
    name: str | None = None
    valuation_id: str


class NewValuation(Record):
    """An order: whose data, measured on what, for how much money, how precisely."""

    attributions: bool | None = None
    base: str | None = None
    checked_part: float | None = None
    checkpoint: str | None = None
    class_weights: Literal["uniform", "balanced", "pooled"] | str | None = None
    consent_seconds: int | None = None
    currency: str | None = None
    datasets: list[str]
    deadline: datetime | None = None
    deliver: list[Literal["model", "data"] | str] | None = None
    device: Literal["cpu", "gpu"] | str | None = None
    drop_refused: bool | None = None
    drop_unfit: bool | None = None
    estimator: (
        Literal[
            "auto",
            "exact",
            "multifidelity",
            "permutation",
            "antithetic",
            "stratified",
            "kernelshap",
            "leverage",
            "svarm",
            "regression",
        ]
        | str
        | None
    ) = None
    features: FeatureChoice | None = None
    fidelity: Literal["auto", "unlearn", "repair", "retrain"] | str | None = None
    image_size: int | None = None
    label_map: dict[str, str] | None = None
    max_evaluations: int | None = None
    max_retrains: int | None = None
    max_seconds: float | None = None
    metadata: dict[str, str] | None = None
    metric: (
        Literal[
            "accuracy",
            "clipped_log_loss",
            "log_loss",
            "roc_auc",
            "balanced_accuracy",
            "f1",
            "average_precision",
            "brier",
            "recall_at_precision",
            "expected_cost",
            "r2",
            "rmse",
            "mae",
            "clipped_r2",
            "clipped_rmse",
            "clipped_mae",
        ]
        | str
        | None
    ) = None
    metric_options: MetricOptions | None = None
    missing_labels: Literal["leave_out", "refuse"] | str | None = None
    mode: Literal["full", "partial"] | str | None = None
    model: Model | None = None
    payout: Payout | None = None
    players: Literal["provider", "dataset"] | str | None = None
    pool: str
    protected: bool | None = None
    purpose: str | None = None
    rows: Literal["none", "values"] | str | None = None
    ruled_by: Literal["budget", "precision"] | str | None = None
    seed: int | None = None
    segments: Segments | None = None
    share_ci: float | None = None
    target: str | None = None
    target_is: Literal["number", "classes"] | str | None = None
    territory: str | None = None
    test_dataset: str
    test_first: bool | None = None
    test_group: str | None = None
    test_lot: TestLot | None = None
    unlearning: Unlearning | None = None


class Noticed(Record):
    """One finding; the codes are those of docs/datasets.md."""

    code: str
    column: str | None
    detail: str
    mend: str
    rows: int | None
    severity: Severity
    share: float | None


class OpenDispute(Record):
    """A dispute that waits for an administrator's decision."""

    amount: str
    currency: str
    kind: DisputeKind
    opened_at: datetime
    parts: list[DisputedPart]
    reason: str
    valuation_id: str


class OpenedRowsAnswer(Record):
    """How many rows of data that stays with its owner were opened once all sums were in, and what was found."""

    rows: int
    sentence: str
    status: OpenedStatus


OpenedStatus = Literal["borne_out", "mismatch", "refused", "away", "nothing"] | str


class OutboxAnswer(Record):
    """Messages of one queue that the relay has not sent; ``failing`` ones were tried."""

    due: int
    failing: int
    oldest_seconds: float
    queue: str
    unsent: int


class OwnSession(Record):
    """One browser in which a user is signed in. `browser` is what it called itself then; `last_used_at` is the
    last time that it read something, to a minute, null where it has not since."""

    browser: str
    created_at: datetime
    current: bool
    expires_at: datetime
    id: str
    last_used_at: datetime | None
    second_factor: bool


class OwnSessions(Record):
    """All browsers in which a user is signed in."""

    items: list[OwnSession]


class Page_AccountAnswer(Record):
    """As the API's document says."""

    items: list[AccountAnswer]
    next_cursor: str | None = None


class Page_AuditAnswer(Record):
    """As the API's document says."""

    items: list[AuditAnswer]
    next_cursor: str | None = None


class Page_CheckpointAnswer(Record):
    """As the API's document says."""

    items: list[CheckpointAnswer]
    next_cursor: str | None = None


class Page_ConsentAnswer(Record):
    """As the API's document says."""

    items: list[ConsentAnswer]
    next_cursor: str | None = None


class Page_DataAccessAnswer(Record):
    """As the API's document says."""

    items: list[DataAccessAnswer]
    next_cursor: str | None = None


class Page_DatasetAnswer(Record):
    """As the API's document says."""

    items: list[DatasetAnswer]
    next_cursor: str | None = None


class Page_DeliveryAnswer(Record):
    """As the API's document says."""

    items: list[DeliveryAnswer]
    next_cursor: str | None = None


class Page_ExplorationSummary(Record):
    """As the API's document says."""

    items: list[ExplorationSummary]
    next_cursor: str | None = None


class Page_FailureAnswer(Record):
    """As the API's document says."""

    items: list[FailureAnswer]
    next_cursor: str | None = None


class Page_KeyAnswer(Record):
    """As the API's document says."""

    items: list[KeyAnswer]
    next_cursor: str | None = None


class Page_Listing(Record):
    """As the API's document says."""

    items: list[Listing]
    next_cursor: str | None = None


class Page_MyValuation(Record):
    """As the API's document says."""

    items: list[MyValuation]
    next_cursor: str | None = None


class Page_StandingOrderAnswer(Record):
    """As the API's document says."""

    items: list[StandingOrderAnswer]
    next_cursor: str | None = None


class Page_StatementEntry(Record):
    """As the API's document says."""

    items: list[StatementEntry]
    next_cursor: str | None = None


class Page_UserAnswer(Record):
    """As the API's document says."""

    items: list[UserAnswer]
    next_cursor: str | None = None


class Page_ValuationSummary(Record):
    """As the API's document says."""

    items: list[ValuationSummary]
    next_cursor: str | None = None


class Page_WantedAdAnswer(Record):
    """As the API's document says."""

    items: list[WantedAdAnswer]
    next_cursor: str | None = None


class Page_WebhookAnswer(Record):
    """As the API's document says."""

    items: list[WebhookAnswer]
    next_cursor: str | None = None


class Page_WithdrawalAnswer(Record):
    """As the API's document says."""

    items: list[WithdrawalAnswer]
    next_cursor: str | None = None


class PairAnswer(Record):
    """What two players of the game (``seat``) are worth together beyond each alone: the Shapley interaction index.
    Under zero they are substitutes, above it complements."""

    first: int
    interval: tuple[float, float]
    second: int
    stderr: float
    value: float


class PasskeyAnswer(Record):
    """One passkey of a user."""

    created_at: datetime
    id: str
    last_used_at: datetime | None
    name: str


class PasskeyOptions(Record):
    """The `publicKey` of `navigator.credentials.create` or `get`, in WebAuthn's JSON form (bytes are Base64url)."""

    public_key: dict[str, Any]


class PasskeySignIn(Record):
    """What the browser answered (`PublicKeyCredential.toJSON()`)."""

    credential: dict[str, Any]


class Passkeys(Record):
    """All passkeys of a user."""

    items: list[PasskeyAnswer]


class PasswordAndCode(Record):
    """A signed-in user's present password, and six digits of the authenticator or a recovery code."""

    code: str
    password: str


class PasswordBody(Record):
    """A signed-in user's present password, and the one to come."""

    password: str
    present: str


class Payout(Record):
    """How values become money; providers are shown it before they agree."""

    copies: CopiesRule | None = None
    dispute_window_seconds: int | None = None
    minimum_payout: str | None = None
    open_rows: int | None = None
    pay_unaudited: bool | None = None
    pay_without_gain: bool | None = None
    performance_target: float | None = None
    policy: PayoutPolicy | None = None
    revalue_without_harm: bool | None = None
    shards: int | None = None
    top_up_window_seconds: int | None = None


class PayoutAvailable(Record):
    """Money of the receiver's can be withdrawn; ``amount`` is a decimal string in ``currency`` (ISO 4217)."""

    amount: str
    currency: str
    valuation_id: str | None = None


class PayoutAvailableMessage(Record):
    """As the API's document says."""

    data: PayoutAvailable
    timestamp: datetime
    type: Literal["payout.available"] | str


class PayoutLine(Record):
    """One player's amount: released now, held until the dispute window ends, or accrued below the minimum payout."""

    accrued: str
    amount: str
    held: str
    paid_share: float
    provider: str
    provider_id: str
    reason: str
    released: str
    share: float | None
    voided: str | None = None


PayoutPolicy = Literal["proportional", "significant", "interval_aware"] | str


class Payouts(Record):
    """Who gets how much: the amounts, the fee, compute and what went back to the buyer add up to the pool."""

    compute: str
    currency: str
    disputable_until: datetime
    divided: str
    explanation: list[str]
    fee: str
    nobody_paid: str | None
    payouts: list[PayoutLine]
    performance: float
    plan_digest: str
    policy: PayoutPolicy
    pool: str
    refunded: str
    terms: list[str]
    valuation_id: str


class PlayerByClass(Record):
    """A player of the game (``seat``), who it is, and what it did for each class, in their order."""

    cells: list[ClassCell]
    providers: list[str]
    seat: int


class PlayerValue(Record):
    """What one player is worth, and what it is paid. ``value`` is among all players, on the metric. ``share`` is
    its part of all positive values, inside its interval; ``share_band`` holds for all players at once.
    ``paid_share`` is its part of what was divided, from which the amount follows; where that is not the share,
    ``reason`` says why. An interval is null where the job could not say it."""

    amount: str
    at_home: bool | None = None
    datasets: list[str]
    digest: str
    opened: OpenedRowsAnswer | None = None
    paid_share: float | None
    paid_value: float | None
    paid_value_ci: tuple[float, float] | None
    part: float
    parts: IntervalPartsAnswer | None = None
    position: int
    provider: str
    provider_id: str
    reason: str | None
    rows: int
    seat: int | None
    segments: list[SegmentValue] | None = None
    share: float | None
    share_band: tuple[float, float] | None
    share_ci: tuple[float, float] | None
    stderr: float | None
    value: float
    value_ci: tuple[float, float] | None


class PrecisionAnswer(Record):
    """The width of interval that was asked for, and what came of it. Points are hundredths of the pool."""

    asked: float
    forecast: str | None
    forecasts: list[ForecastAnswer] | None = None
    met: bool
    only_test_rows: bool | None = None
    reached: float | None
    ruled_by: str | None = None
    test_rows: float | None = None


class PresentPassword(Record):
    """A signed-in user's present password."""

    password: str


class Preview(Record):
    """As many rows as the provider allows; long texts are cut, arrays are null."""

    columns: list[str]
    rows: list[list[Any]]


class Problem(Record):
    """An error, as RFC 9457 shapes it."""

    detail: str | None = None
    errors: list[Fault] | None = None
    instance: str | None = None
    request_id: str | None = None
    status: int
    title: str
    type: str


class ProfileAnswer(Record):
    """The profile of a dataset's newest version; ``profile`` is null until a worker has looked at it."""

    number: int
    profile: Findings | None
    profile_status: ProfileStatus


ProfileStatus = Literal["pending", "done", "failed"] | str


class ProgressAnswer(Record):
    """How far the job is, from what Postgres holds; as true after a restart as before it."""

    device_seconds: float
    evaluations: dict[str, int]
    round: int
    round_done: int
    round_worths: int
    seconds_left: float | None
    seconds_left_at_most: float | None = None
    widest_share_interval: float | None
    workers: int


class ProofAnswer(Record):
    """The ledger's proof: sums of zero, and chains of hashes whose heads can be kept elsewhere."""

    accounts: int
    heads: dict[str, str]
    ok: bool
    problems: list[str]
    sums: dict[str, str]
    transfers: int
    unsealed: int


class Pseudonym(Record):
    """Whether providers see a buyer under a pseudonym, another to each of them, in place of its name and id."""

    pseudonymous: bool


class PublishBody(Record):
    """On what terms a dataset is published."""

    asking: AskingBody | None = None
    licence: LicenceBody
    preview_rows: int | None = None
    reserve_currency: str | None = None
    reserve_price: str | None = None


class PurchaseAnswer(Record):
    """Rows that were bought: what the buyer paid, and what of it the platform keeps."""

    amount: str
    content: str
    created_at: datetime
    currency: str
    dataset_id: str
    fee: str
    valuation_id: str


class QuestionAnswer(Record):
    """Where a question stands."""

    answered_at: datetime | None
    dataset_id: str
    id: str
    status: QuestionStatus


QuestionStatus = Literal["waiting", "answered", "refused"] | str


class QueuesAnswer(Record):
    """Jobs by state, shards by queue, kind and state, and the outbox by queue."""

    jobs: dict[str, int]
    outbox: list[OutboxAnswer]
    work: list[WorkAnswer]


class Quote(Record):
    """What an order would take and cost. Nothing is stored and no money is held; posting may still be refused."""

    agents: AgentsEffort | None = None
    balance: str
    budgets: list[QuotedBudget] | None = None
    compute: str
    currency: str
    device_seconds: float
    device_seconds_basis: Literal["measured", "model"] | str
    device_seconds_note: str
    distinct_coalitions: int
    distributable: str
    evaluations: dict[str, int]
    fee: str
    findings: list[FindingAnswer]
    licence_problems: list[LicenceProblem]
    notes: list[str]
    players: int
    pool: str
    shards: int | None = None
    sufficient: bool
    terms: list[str]
    widths_of: str | None = None


class QuotedBudget(Record):
    """What another number of retrainings would take, cost and bring."""

    compute: str
    device_seconds: float
    max_retrains: int
    widest: float | None


class Ready(Record):
    """The process can do its work; it is degraded where a part that it can do without does not answer."""

    parts: list[str]
    status: Literal["ok", "degraded"] | str | None = None


class ReceivedAnswer(Record):
    """An event was understood; ``applied`` is false for kinds that do not move the ledger."""

    applied: bool
    received: bool


class RecoveryCodes(Record):
    """Codes that each stand in once for an authenticator that is lost; shown this once."""

    codes: list[str]


class Refund(Record):
    """How much of one provider's disputed amount goes back to the buyer."""

    amount: str
    provider_id: str


class RefusalBody(Record):
    """Why an agent does not answer; the buyer is told it."""

    reason: str


class RegistrationBody(Record):
    """An organisation that registers itself, with its first user."""

    email: str
    name: str
    password: str
    role: Literal["provider", "buyer"] | str
    user_name: str


class RemovalAnswer(Record):
    """The test score as players are removed one by one, by ``source`` throughout; without curves ``reason``."""

    highest_first: list[RemovalPointAnswer]
    lowest_first: list[RemovalPointAnswer]
    reason: str | None
    source: str | None


class RemovalPointAnswer(Record):
    """The worth of all players' data less that of ``removed`` players, ``seat`` being the last of them."""

    removed: int
    retrained: float | None
    seat: int | None
    worth: float


class RequeuedAnswer(Record):
    """How many shards of the job were sent again, or the new job that repeats it."""

    repeated_as: str | None
    shards: int
    valuation_id: str


class ResetAnswer(Record):
    """For how long the letter's token works, if there is such a user."""

    reset_minutes: float


class ResetBody(Record):
    """The address of a user who has forgotten the password."""

    email: str


class ResolutionBody(Record):
    """How a dispute ends: what goes back to the buyer; everything else is paid out to its provider."""

    to_buyer: list[Refund]


class ReversalAnswer(Record):
    """The transfer that took a deposit back."""

    amount: str
    created_at: datetime
    currency: str
    deposit: str
    id: str
    reason: str


class ReversalBody(Record):
    """Why a deposit is taken back; the buyer reads it in its statement."""

    reason: str


Role = Literal["provider", "buyer", "admin"] | str


class RotateBody(Record):
    """How long the present secret goes on signing beside the new one."""

    overlap_hours: float | None = None


class RotationBody(Record):
    """How long the present token goes on working beside the new one; how long the new one lives."""

    expires_at: datetime | None = None
    overlap_seconds: int | None = None


class RowsAnswer(Record):
    """Values of rows: what there is for you, and what each finding means. The rows themselves are a table."""

    about: dict[str, str]
    metric: str
    players: list[RowsOfPayee]
    valuation_id: str


class RowsOfPayee(Record):
    """How many of a payee's rows have values, by what they were told apart, and how many have each finding."""

    by: str
    findings: dict[str, int]
    position: int
    provider: str
    rows: int


class SecondFactorAnswer(Record):
    """Whether the user signs in with a code, since when (null: not), and how many recovery codes are left."""

    confirmed_at: datetime | None
    recovery_codes: int


class SecondFactorCode(Record):
    """Six digits of the authenticator."""

    code: str


class SeenDataset(Record):
    """One dataset, by the digest of its content, that a checkpoint's weights have seen."""

    created_at: datetime
    dataset_id: str
    digest: str
    forgotten_at: datetime | None
    forgotten_by: str | None


class SegmentValue(Record):
    """What a part of a provider's rows is worth; a provider's segments sum to its value."""

    name: str | None
    rows: int
    segment: int
    stderr: float
    value: float


class Segments(Record):
    """By what the rows of a provider are told apart."""

    column: str


class SessionAnswer(Record):
    """Who is signed in with this browser, and the token that its changes carry as `X-CSRF-Token`."""

    account_id: str
    account_name: str
    csrf_token: str
    email: str
    expires_at: datetime
    name: str
    role: Role
    scopes: list[str]
    second_factor_required: bool | None = None
    user_id: str


Severity = Literal["refuse", "warn", "note"] | str


class SignInBody(Record):
    """A user's address and password; the code of the authenticator, or a recovery code, where the user has one."""

    code: str | None = None
    email: str
    password: str


class SignInPolicy(Record):
    """Whether an organisation's people must sign in with a second factor (code, passkey, or its own provider)."""

    second_factor_required: bool


class SpokenAnswer(Record):
    """An answer of a delivered model, and what it answered. White space counts."""

    answer: str
    prompt: str | None = None


class StandingHeldMessage(Record):
    """As the API's document says."""

    data: StandingOrderHeld
    timestamp: datetime
    type: Literal["standing.held"] | str


class StandingOrderAnswer(Record):
    """A standing order. ``problem`` says why the last repeat was not posted, and ``next_try_at`` when it is again."""

    created_at: datetime
    currency: str
    datasets: list[str]
    id: str
    jobs: list[str]
    monthly_cap: str
    name: str
    next_try_at: datetime | None
    pool: str
    problem: str | None
    repeats: str
    spent_this_month: str
    status: StandingStatus


class StandingOrderHeld(Record):
    """A standing order of the receiver's could not post its next job, for ``problem``; it is tried again then."""

    id: str
    next_try_at: datetime
    problem: str


class StandingOrderPosted(Record):
    """A standing order of the receiver's posted a job, because a dataset has a new version."""

    id: str
    valuation_id: str


class StandingPostedMessage(Record):
    """As the API's document says."""

    data: StandingOrderPosted
    timestamp: datetime
    type: Literal["standing.posted"] | str


StandingStatus = Literal["active", "paused", "cancelled"] | str


class StatementEntry(Record):
    """What one transfer did to the available money of one account. An account's entries add up to its balance."""

    account: AccountKind
    amount: str
    code: str
    created_at: datetime
    currency: str
    reference: str | None
    state: TransferState
    transfer: str
    valuation_id: str | None


class SummaryForgotten(Record):
    """Datasets that were withdrawn, and that the weights were made to forget."""

    datasets: int
    forgotten_on: str
    method: str


class SummaryGeneral(Record):
    """Section 1 of the template: the model, its provider, and the training data altogether."""

    authorised_representative: str | None = None
    depends_on: str | None
    languages: str | None = None
    latest_acquisition: str
    modalities: list[SummaryModality]
    model: str
    model_provider: str | None = None
    model_versions: str
    other_characteristics: str | None = None
    placed_on_union_market: str | None = None
    types_of_content: str | None = None


class SummaryKind(Record):
    """One kind of source of section 2."""

    kind: str
    note: str
    section: str
    sources: list[SummarySource]
    used: Literal["yes", "no", "to be filled by the provider of the model"] | str


class SummaryModality(Record):
    """One modality of the data from this market, and how much of it there is, in a band."""

    modality: str
    size: str


class SummaryProcessing(Record):
    """Section 3 of the template: how the data was processed."""

    forgotten: list[SummaryForgotten]
    other: str | None = None
    removal_of_illegal_content: str | None = None
    reservations_of_rights: str


class SummarySource(Record):
    """Datasets of one kind, licence and modality, by the names that their providers chose."""

    datasets: int
    licence: str
    modality: str
    offered_from: str
    providers: list[str]
    seen_from: str
    seen_to: str
    size: str


class SuspensionBody(Record):
    """Why; whoever calls with one of the organisation's keys is told."""

    reason: str


class TakeDownBody(Record):
    """Why a listing is taken down."""

    reason: str


class Tensor(Record):
    """One named array of the weights."""

    dtype: str
    shape: list[int]


class TestChanceAnswer(Record):
    """What other test rows would change. ``halves`` are the shares of the game's players on two halves of the test
    rows, drawn by ``seed``; they are ``apart`` by so many points at the most, and chance alone keeps them
    within ``allowed`` in 95 of 100 jobs."""

    allowed: float
    apart: float
    halves: tuple[list[float], list[float]]
    seed: int
    units: int
    within: int | None = None


class TestLot(Record):
    """Test rows that are drawn by lot from each provider's own; those are not trained on."""

    beside: bool | None = None
    part: float | None = None


class TopUp(Record):
    """What a finished job is to have more of; what is left out stays as ordered. Budgets are of both jobs
    together."""

    max_evaluations: int | None = None
    max_retrains: int | None = None
    max_seconds: float | None = None
    ruled_by: Literal["budget", "precision"] | str | None = None
    share_ci: float | None = None


class TopUpQuote(Record):
    """What a top-up would compute besides, and what that costs. Nothing is stored."""

    balance: str
    compute: str
    currency: str
    device_seconds: float
    evaluations: dict[str, int]
    notes: list[str]
    sufficient: bool


class TraceAnswer(Record):
    """Whose copy a file is: the likeliest copies of a dataset first, 20 at most."""

    as_uploaded: bool
    copies: int
    dataset_id: str
    items: list[TracedCopy]
    rows_found: int
    sentence: str


class TracedCopy(Record):
    """One copy that was handed over, against a file: the part of neighbouring rows that are in the copy's order,
    and the chance of as many where the file comes from elsewhere."""

    buyer: str
    chance: float
    in_order: float
    link_id: str | None
    made_at: datetime
    names_it: bool
    valuation_id: str


class TrainingSummary(Record):
    """The facts that this market knows of what a model was trained on; other fields are the model's provider's to
    fill. ``whole`` says whether the model was trained on this market's data alone."""

    checkpoint_id: str
    general: SummaryGeneral
    made_at: datetime
    processing: SummaryProcessing
    sources: list[SummaryKind]
    template: str
    whole: bool


TransferState = Literal["posted", "pending", "post", "void", "expire"] | str


class Unlearning(Record):
    """How forgetting is computed: a method and its options."""

    method: str | None = None
    options: dict[str, int | float | str] | None = None


class UnlearningAnswer(Record):
    """One dataset that a checkpoint must forget. Its certificate says how it was done and what is left to see of
    it."""

    after: str | None
    attempt: int
    before: str | None
    created_at: datetime
    dataset_id: str
    due_at: datetime | None
    finished_at: datetime | None
    id: str
    status: UnlearningStatus


class UnlearningCertificate(Record):
    """How a checkpoint was made to forget a dataset, signed as every certificate is. ``residual`` is how far the
    weights before and after are from a model that was trained on what remains; ``membership`` how well losses
    separate the forgotten rows from rows that no model saw. Either holds ``unmeasured``, a sentence, where it
    could not be measured. Data, weights and test rows are named by digests only."""

    algorithm: str
    certificate: dict[str, Any]
    digest: str
    public_key: str
    signature: str


UnlearningStatus = Literal["waiting", "running", "unlearned", "erased"] | str


class Unlearnings(Record):
    """What a checkpoint was made to forget, or is to forget, oldest first."""

    items: list[UnlearningAnswer]


class UploadAnswer(Record):
    """A file that comes in parts."""

    dataset_id: str
    expires_at: datetime
    id: str
    length: int
    offset: int
    sha256: str | None


class Uploads(Record):
    """Uploads that wait for more, newest first."""

    items: list[UploadAnswer]


class UserAnswer(Record):
    """One user. Without ``joined`` the invitation has not been accepted."""

    created_at: datetime
    email: str
    id: str
    joined: bool
    last_login_at: datetime | None
    name: str


class UserBody(Record):
    """Somebody to invite into one's own organisation."""

    email: str
    name: str


class ValuationAnswer(Record):
    """A job as its buyer sees it."""

    consent_until: datetime | None = None
    created_at: datetime
    currency: str
    deadline: datetime | None
    error: str | None
    finished_at: datetime | None
    game_digest: str
    id: str
    links: dict[str, str]
    metadata: dict[str, str]
    object: Literal["valuation"] | str | None = None
    players: int
    pool: str
    precision_met: bool | None = None
    progress: ProgressAnswer
    reason: str | None
    spec: dict[str, Any]
    started_at: datetime | None
    status: ValuationStatus
    tops_up: str | None = None
    version: int
    waits_until: datetime | None = None


class ValuationCancelledMessage(Record):
    """As the API's document says."""

    data: ValuationEnded
    timestamp: datetime
    type: Literal["valuation.cancelled"] | str


class ValuationEnded(Record):
    """A valuation came to its end. ``precision_met`` false: it has a result that is less sure than was asked for."""

    id: str
    precision_met: bool | None = None
    reason: str | None = None
    status: str


class ValuationExpiredMessage(Record):
    """As the API's document says."""

    data: ValuationEnded
    timestamp: datetime
    type: Literal["valuation.expired"] | str


class ValuationFailedMessage(Record):
    """As the API's document says."""

    data: ValuationEnded
    timestamp: datetime
    type: Literal["valuation.failed"] | str


ValuationStatus = (
    Literal[
        "awaiting_consent",
        "queued",
        "planning",
        "running",
        "settling",
        "succeeded",
        "failed",
        "cancelling",
        "cancelled",
        "expired",
    ]
    | str
)


class ValuationSucceededMessage(Record):
    """As the API's document says."""

    data: ValuationEnded
    timestamp: datetime
    type: Literal["valuation.succeeded"] | str


class ValuationSummary(Record):
    """A job in a list."""

    buyer: str
    buyer_id: str
    created_at: datetime
    currency: str
    finished_at: datetime | None
    id: str
    metadata: dict[str, str]
    pool: str
    precision_met: bool | None = None
    status: ValuationStatus


class Values(Record):
    """The result: every player's value, and how it was computed, how far it can be trusted, what it cost."""

    audit: dict[str, Any]
    bake_off: list[dict[str, Any]]
    chance: TestChanceAnswer | None = None
    checked: Checked | None
    currency: str
    digests: dict[str, str]
    domains: list[DomainAnswer]
    empty_worth: float
    estimator: str
    evaluations: dict[str, int]
    evidence: EvidenceSealAnswer | None = None
    findings: list[FindingAnswer]
    full_worth: float
    gain: GainAnswer | None
    game_digest: str
    interactions: InteractionsAnswer | None = None
    late_test: LateTestAnswer | None = None
    metric: str
    notes: list[str]
    ordered_metric: str
    players: list[PlayerValue]
    pool: str
    precision: PrecisionAnswer | None
    removal: RemovalAnswer | None
    retrain_seconds_estimate: float | None
    seconds: float
    seconds_by_source: dict[str, float]
    shares_note: str | None
    source: str
    stopped_by: str
    test_lot: LotAnswer | None = None
    tops_up: str | None = None
    trace: list[dict[str, Any]]
    valuation_id: str
    without_harm: WithoutHarm | None


class ValuesPending(Record):
    """A worker is at the values by another metric; ask again."""

    metric: str
    status: Literal["computing"] | str | None = None
    valuation_id: str


class VersionAnswer(Record):
    """One content of a dataset."""

    created_at: datetime
    digest: str
    format: DatasetFormat
    modality: Modality
    number: int
    origin: str | None = None
    profile_status: ProfileStatus
    rows: int
    size_bytes: int


class Versions(Record):
    """All versions of a dataset, newest first."""

    items: list[VersionAnswer]


class VoidAnswer(Record):
    """A payout that is void: how much, why, and what became of it."""

    amount: str
    currency: str
    disputable_until: datetime | None
    dispute: str | None
    disputed_at: datetime | None
    finding: str | None
    provider_id: str
    reopens: bool
    state: VoidState
    valuation_id: str
    why: str


class VoidDecisionBody(Record):
    """How an administrator decides."""

    decision: Literal["stands", "recheck"] | str


class VoidDisputeBody(Record):
    """Why a provider says that its payout is not void."""

    reason: str


VoidState = Literal["waits", "returned", "paid"] | str


class VoidsAnswer(Record):
    """Void payouts."""

    items: list[VoidAnswer]


class WaitingQuestion(Record):
    """A question that waits: what is asked, and the float64 numbers that come with it, in base64."""

    dataset_id: str
    id: str
    models: str
    question: dict[str, Any]


class WaitingQuestions(Record):
    """The questions that wait, oldest first; none where none came in the time that was waited."""

    questions: list[WaitingQuestion]


class WantedAdAnswer(Record):
    """A wanted ad. ``matches``: for its buyer the listings that fit, for a provider its own among them."""

    buyer: str
    closed_at: datetime | None
    created_at: datetime
    currency: str | None
    description: str
    id: str
    matches: list[str]
    min_rows: int | None
    modality: Modality | None
    price: str | None
    status: AdStatus
    target: str | None
    title: str
    words: str | None


class WantedAdBody(Record):
    """What you look for. Listings fit that match all of it; say at least words, a kind or a target."""

    currency: str | None = None
    description: str | None = None
    min_rows: int | None = None
    modality: Modality | None = None
    price: str | None = None
    target: str | None = None
    title: str
    words: str | None = None


class WantedMatched(Record):
    """Listings of the receiver's fit a buyer's wanted ad, which is at ``/v1/wanted-ads/{id}``."""

    datasets: list[str]
    id: str


class WantedMatchedMessage(Record):
    """As the API's document says."""

    data: WantedMatched
    timestamp: datetime
    type: Literal["wanted.matched"] | str


class WebhookAnswer(Record):
    """One endpoint. ``failures`` counts the events in a row that could not be delivered."""

    created_at: datetime
    description: str
    disabled_at: datetime | None
    disabled_reason: str | None
    enabled: bool
    events: list[EventType] | None
    failures: int
    id: str
    previous_secret_until: datetime | None
    url: str


class WebhookBody(Record):
    """A new endpoint."""

    description: str | None = None
    enabled: bool | None = None
    events: list[EventType] | None = None
    url: str


class WebhookDisabled(Record):
    """Another endpoint of the receiver's account was disabled by the service."""

    id: str
    reason: str


class WebhookDisabledMessage(Record):
    """As the API's document says."""

    data: WebhookDisabled
    timestamp: datetime
    type: Literal["webhook.disabled"] | str


class WebhookPatch(Record):
    """Changes to an endpoint; what is absent stays."""

    description: str | None = None
    enabled: bool | None = None
    events: list[EventType] | None = None
    url: str | None = None


class WebhookPing(Record):
    """Sent on request, to see whether an endpoint works; tried once, and never counted as a failure."""

    id: str


class WebhookPingMessage(Record):
    """As the API's document says."""

    data: WebhookPing
    timestamp: datetime
    type: Literal["webhook.ping"] | str


class WebhookWithSecret(Record):
    """An endpoint with its new secret, shown this once; null when the answer is replayed."""

    created_at: datetime
    description: str
    disabled_at: datetime | None
    disabled_reason: str | None
    enabled: bool
    events: list[EventType] | None
    failures: int
    id: str
    previous_secret_until: datetime | None
    secret: str | None
    url: str


class WhatIf(Record):
    """A job's pool divided with another amount or policy, on the values that are stored; nothing is carried out."""

    compute: str
    currency: str
    explanation: list[str]
    fee: str
    nobody_paid: str | None
    payouts: list[WhatIfLine]
    policy: PayoutPolicy
    pool: str
    refunded: str
    valuation_id: str


class WhatIfLine(Record):
    """What one player would be paid, and what it was paid."""

    amount: str
    paid: str
    paid_share: float
    provider: str
    provider_id: str
    reason: str


class WithdrawalAnswer(Record):
    """A withdrawal and where it stands."""

    account_id: str
    amount: str
    created_at: datetime
    currency: str
    id: str
    status: str


class WithdrawalBody(Record):
    """How much of its payable money a provider asks for, or a buyer of what it has not spent."""

    amount: str
    currency: str


WithdrawalMethod = (
    Literal[
        "auto",
        "retrain",
        "newton",
        "finetune_retained",
        "neggrad_plus",
        "tangent",
        "natural_gradient",
        "unmerge",
        "statistics",
        "erase",
    ]
    | str
)


class WithdrawalsAnswer(Record):
    """Withdrawals that wait for a decision, oldest first, 200 at most."""

    items: list[WithdrawalAnswer]


class WithoutHarm(Record):
    """Who was left out because its value is below zero for certain, and the values of the others without it."""

    empty_worth: float
    evaluations: dict[str, int]
    excluded: list[int]
    full_worth: float
    kept: list[int]
    players: list[dict[str, Any]]


class WorkAnswer(Record):
    """Shards of one kind on one queue in one state."""

    kind: str
    oldest_seconds: float
    queue: str
    shards: int
    status: str


class WorkerAnswer(Record):
    """One worker process and the shard it holds; ``alive`` when its last heartbeat is less than 30 seconds old."""

    alive: bool
    device: str
    host: str
    name: str
    pid: int
    queue: str
    seen_at: datetime
    shard_id: str | None
    started_at: datetime


class WorkersAnswer(Record):
    """Every worker with a heartbeat in the last hour."""

    items: list[WorkerAnswer]


class WorthLeafAnswer(Record):
    """A worth under the root: its source, its coalition (bit i of byte j of the hex text: player 8 j + i), and the
    commitment to the number, which is not told."""

    coalition: str
    commitment: str
    kind: Literal["worth"] | str
    source: str
