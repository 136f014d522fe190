"""All settings of the service and its workers, read from the environment (prefix ``CHERISH_``), nowhere else.

Outside development the secrets must be set, long, and not the defaults; the process refuses to start otherwise.
"""

import base64
import binascii
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

_DEVELOPMENT_SECRET = "development-only-secret-not-for-production"  # noqa: S105  refused outside development
_SECRET_BYTES = 32
_NEW_SECRET = "python3 -c 'import secrets; print(secrets.token_urlsafe(32))'"  # noqa: S105  a command
_NEW_SEED = "python3 -c 'import base64, os; print(base64.b64encode(os.urandom(32)).decode())'"


class Settings(BaseSettings):
    """One object holds every knob; sizes are in bytes, times in seconds."""

    model_config = SettingsConfigDict(
        # what is wrong may be a secret: errors do not repeat it
        env_prefix="CHERISH_",
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    environment: Literal["development", "production"] = Field(
        default="development",
        description="production refuses default, empty and short secrets, and private webhook targets",
    )
    database_url: SecretStr = Field(
        default=SecretStr("postgresql://cherish@localhost/cherish"),
        description="postgresql://user:password@host/database",
    )
    database_pooler: Literal["none", "transaction"] = Field(
        default="none",
        description="transaction where database_url is a pooler's (pgbouncer) that lends connections by transaction",
    )
    database_direct_url: SecretStr | None = Field(
        default=None, description="Postgres' own address beside a pooler, for migrations and the relay's LISTEN"
    )
    api_database_password: SecretStr | None = Field(
        default=None,
        description="with it `cherish migrate` makes the role OWNER_api, with the rights that the API needs and no "
        "others; OWNER is the user in its own database_url",
    )
    worker_database_password: SecretStr | None = Field(default=None, description="the same of OWNER_worker")
    housekeeping_database_password: SecretStr | None = Field(default=None, description="the same of OWNER_housekeeping")
    # Postgres ends what exceeds them, so that a lost process locks nothing for good; see docs/reliability.md
    database_idle_seconds: float | None = Field(
        default=None, ge=0, description="an open transaction without a statement; by itself by the process's role"
    )
    database_lock_seconds: float | None = Field(
        default=None, ge=0, description="a statement's wait for a lock; by itself by the process's role"
    )
    database_statement_seconds: float | None = Field(
        default=None, ge=0, description="one statement; by itself by the process's role; 0 is without limit"
    )
    redis_url: SecretStr = Field(
        default=SecretStr("redis://localhost:6379/0"),
        description="redis://host:port/0, rediss:// (the certificate is verified) or unix:///path/redis.sock",
    )
    blob_url: str = Field(
        default="file:///var/lib/cherish/blobs",
        description="file:///folder, or s3://bucket/prefix with the usual AWS_* variables",
    )
    public_url: str = Field(
        default="http://127.0.0.1:8000",
        description="the address by which clients reach the service, with the path below which it lies if it has one",
    )

    key_pepper: SecretStr = Field(
        default=SecretStr(_DEVELOPMENT_SECRET),
        description="keys API keys, sign-ins and webhook secrets; another one ends them all (docs/admin.md)",
    )
    signing_secret: SecretStr = Field(default=SecretStr(_DEVELOPMENT_SECRET), description="signs cursors and forms")

    registration: Literal["closed", "approval", "open"] = Field(
        default="closed", description="whether organisations register themselves, and whether an admin approves"
    )
    session_hours: float = Field(default=12.0, gt=0, description="a signed-in browser is signed out after this long")
    session_idle_minutes: float = Field(
        default=240.0,
        gt=0,
        description="a signed-in browser that reads nothing for this long is signed out; reading a page or an answer "
        "counts, an open stream of events (which goes on) and uploads do not",
    )
    max_sessions: int = Field(
        default=20, gt=0, description="browsers in which one user is signed in; one more signs the first one out"
    )
    invitation_hours: float = Field(default=168.0, gt=0, description="how long an invited user may set a password")

    reset_minutes: float = Field(default=60.0, gt=0, description="how long a link for a forgotten password works")
    mail: Literal["console", "file", "smtp"] = Field(
        default="console",
        description="where letters go: the standard error stream, files in mail_folder, or a server; they hold tokens",
    )
    mail_from: str = Field(default="cherish@localhost", description="the sender of letters")
    mail_folder: str = Field(default="/var/lib/cherish/mail", description="for mail=file; nobody else may read it")
    smtp_host: str = Field(default="localhost", description="for mail=smtp")
    smtp_port: int = Field(default=587, gt=0, le=65535, description="for mail=smtp")
    smtp_tls: Literal["starttls", "implicit", "none"] = Field(
        default="starttls", description="for mail=smtp; certificates are verified; none is for a server of one's own"
    )
    smtp_user: str = Field(default="", description="for mail=smtp; empty: nobody signs in")
    smtp_password: SecretStr | None = Field(default=None, description="for mail=smtp")

    shown_buyer: str | None = Field(
        default=None,
        description="the first page shows the newest job of the buyer of this name to anybody, providers' names and "
        "amounts included; for demonstrations",
    )

    reads_per_minute: int = Field(default=60_000, gt=0, description="of one key; an account may have its own number")
    writes_per_minute: int = Field(default=12_000, gt=0, description="of one key; an account may have its own number")
    anonymous_per_minute: int = Field(default=3_000, gt=0, description="calls without a valid key, of one address")
    metrics_open: bool = Field(default=False, description="/metrics without a key; for a network of one's own")
    trusted_proxies: str = Field(
        default="",
        description="addresses and networks, separated by commas, whose X-Forwarded-For is believed; none unless named",
    )
    sign_ins_per_minute: int = Field(default=30, gt=0, description="registrations and passwords tried, of one address")

    codes_per_hour: int = Field(default=10, gt=0, description="codes of a second factor tried, of one user")

    certificate_key: SecretStr | None = Field(
        default=None,
        description="32 bytes in base64, the seed of the Ed25519 key that signs certificates; in development derived "
        "from signing_secret",
    )
    earlier_certificate_keys: tuple[str, ...] = Field(
        default=(),
        description="public keys (base64) with which certificates were signed before, as a JSON list; named beside "
        "today's, so that those certificates can still be checked",
    )

    cors_origins: list[str] = Field(
        default=[],
        description="origins whose pages may call the API with a key, as a JSON list (https://app.example.com); a "
        "visitor's session is never taken from another origin",
    )

    payment_webhook_secret: SecretStr | None = Field(
        default=None, description="verifies a payment provider's events; without it none are received"
    )

    platform_fee_basis_points: int = Field(
        default=0, ge=0, lt=10_000, description="of each pool, as it is when a job is posted; 250 is 2.5 percent"
    )

    issuer_name: str = Field(default="", description="in whose name invoices and credit notes are issued; none without")
    issuer_address: str = Field(default="", description="of the same, lines separated by line ends")
    issuer_vat_id: str = Field(default="", description="of the same")

    default_dispute_window_days: float = Field(
        default=0.0,
        ge=0,
        le=366,
        description="how long a buyer may dispute what a job holds back, where its order does not say",
    )
    shorter_dispute_windows: bool = Field(
        default=False, description="whether an order may set a shorter dispute window than the default"
    )

    void_dispute_days: float = Field(
        default=3.0,
        ge=0,
        le=80,
        description="how long a provider may dispute that its payout is void, before that goes back to the buyer",
    )

    late_test_sets: bool = Field(
        default=True, description="whether a job's test set may have been uploaded after data that it measures"
    )
    told_rows: int = Field(
        default=300, gt=0, description="how much of fewer rows is somewhere else is never told, not even in bands"
    )
    least_rows_valued: int = Field(
        default=10, gt=0, description="whoever offers fewer rows to a job is not valued: its value would tell of them"
    )

    disclosure_points: int = Field(
        default=100, gt=0, description="what one organisation may spend on questions about one dataset's rows"
    )
    disclosure_days: float = Field(default=30.0, gt=0, description="after which points that were spent are there again")
    quote_points: int = Field(default=2, gt=0, description="what a new question costs: a quote, or an upload's overlap")
    job_points: int = Field(default=6, gt=0, description="what a job costs, whose values tell more")
    exploration_points: int = Field(default=6, gt=0, description="what an exploration costs, which pays nobody")
    attributed_answers: int = Field(
        default=64, gt=0, description="answers of a delivered model that one request may ask providers' shares of"
    )
    attributed_characters: int = Field(
        default=200_000, gt=0, description="of prompts and answers of such a request together"
    )
    answers_per_question: int = Field(
        default=16, gt=0, description="so many of these answers cost what a quote does; each begun lot counts"
    )
    explored_test_rows: int = Field(
        default=100, gt=0, description="on fewer test rows nothing is explored: what it tells would be of single rows"
    )
    explored_datasets: int = Field(default=60, gt=1, description="of one exploration at most")

    shutdown_seconds: int = Field(
        default=30, ge=0, description="how long a stopping API process lets calls under way end, uploads among them"
    )
    log_level: str = Field(default="INFO", description="DEBUG, INFO, WARNING or ERROR")
    log_json: bool = Field(default=False, description="one JSON object a line, what libraries log included")
    otlp_url: str | None = Field(
        default=None,
        description="where traces go by OTLP over HTTP: http://collector:4318/v1/traces; nowhere unset",
    )

    max_drafts: int = Field(default=5_000, gt=0, description="datasets without bytes of one organisation")
    max_open_uploads: int = Field(
        default=16, gt=0, description="resumable uploads of one organisation that wait for more"
    )
    upload_hours: float = Field(
        default=24.0, gt=0, description="how long a resumable upload waits for its next part before it is forgotten"
    )
    direct_upload_url: str = Field(
        default="",
        description="where uploaders reach the S3 store of blob_url themselves (https://s3.eu-north-1.amazonaws.com, "
        "or another store's address); empty: every upload passes through the API",
    )
    direct_url_seconds: float = Field(
        default=3600.0, gt=0, le=604_800, description="how long a signed address for a part of a direct upload is good"
    )
    max_versions: int = Field(default=1_000, gt=0, description="of one dataset")
    max_keys: int = Field(default=1_000, gt=0, description="of one organisation that are neither revoked nor expired")
    max_stored_bytes: int = Field(
        default=200 * 1024**3,
        gt=0,
        description="of one organisation's datasets, all versions; its checkpoints may have as many",
    )
    max_upload_bytes: int = Field(default=2 * 1024**3, gt=0, description="of one upload")
    max_body_bytes: int = Field(
        default=1024**2, gt=0, description="JSON bodies and forms; uploads have their own limit"
    )
    body_seconds: float = Field(default=15.0, gt=0, description="in which such a body has come whole, or is refused")
    upload_pause_seconds: float = Field(
        default=30.0, gt=0, description="an upload is refused after so long without a byte, or below the rate"
    )
    least_upload_rate: int = Field(default=1024, ge=0, description="bytes a second of an upload, on average")
    fetch_seconds: float = Field(default=600.0, gt=0, description="in which a file is fetched from an address")
    max_fetching: int = Field(default=4, gt=0, description="files that one API process fetches at a time")
    hub_url: str = Field(
        default="https://huggingface.co", description="the hub that hf:// addresses are of; it passes the same guard"
    )
    max_rows: int = Field(default=5_000_000, gt=0, description="of one file")
    max_columns: int = Field(default=100_000, gt=0, description="of one file")
    max_table_bytes: int = Field(default=4 * 1024**3, gt=0, description="an uploaded file's table, unpacked")
    max_image_pixels: int = Field(default=50_000_000, gt=0, description="of one picture")
    max_pixels: int = Field(default=30_000_000_000, gt=0, description="of an archive's pictures together")
    max_members: int = Field(default=200_000, gt=0, description="files in one archive or workbook")
    max_tokens: int = Field(default=1_000_000_000, gt=0, description="of one file that a language model reads")
    max_checkpoint_members: int = Field(default=1_000, gt=0, description="files in the zip of one model folder")
    max_checkpoint_json_bytes: int = Field(
        default=16 * 1024**2,
        gt=0,
        description="of a model folder's configuration or index; its tokenizer may have more",
    )
    max_checkpoint_header_bytes: int = Field(
        default=1024**2, gt=0, description="of one safetensors file's header, which names its tensors"
    )
    max_checkpoint_tensors: int = Field(default=1_000, gt=0, description="in one safetensors file")
    max_parsing: int = Field(
        default=2, gt=0, description="files, or jobs' files, that one API process has read at a time"
    )
    max_waiting: int = Field(default=8, gt=0, description="of one organisation that wait for that; more are refused")
    parse_memory_bytes: int = Field(default=4 * 1024**3, gt=0, description="of the process that parses an upload")
    fit_memory_bytes: int = Field(default=16 * 1024**3, gt=0, description="of the process that reads a job's files")
    parse_seconds: float = Field(default=300.0, gt=0, description="of the process that parses an upload")
    blob_grace_seconds: float = Field(
        default=86_400.0, gt=0, description="bytes that nothing refers to are kept this long before they are erased"
    )
    blob_quarantine_seconds: float = Field(
        default=86_400.0, ge=0, description="from when the collector first found that nothing refers to them, too"
    )
    blob_brake_share: float = Field(
        default=0.3, ge=0, le=1, description="where more of the old bytes are unreferenced, the collector erases none"
    )
    collect_seconds: float = Field(default=3600.0, gt=0, description="how often such bytes are looked for")

    compute_prices: dict[str, Annotated[Decimal, Field(ge=0, le=100_000)]] = Field(
        default_factory=dict,
        description='what a device hour costs a job\'s buyer, by currency, as JSON: {"EUR": "1.20"}; others are free',
    )

    lease_seconds: float = Field(
        default=60.0, gt=0, description="after this long without a heartbeat another worker may take a worker's shard"
    )
    shard_seconds: float = Field(default=20.0, gt=0, description="aim for shards of about this length")
    shard_time_limit: float = Field(default=600.0, gt=0, description="seconds after which a shard counts as failed")
    stay_seconds: float = Field(
        default=2.0, ge=0, description="a worker goes on with a job's next shard, without a message, for so long"
    )
    check_patience_seconds: float = Field(
        default=60.0,
        ge=0,
        description="how long a check of worths waits for another worker than the one that computed them",
    )
    rules_patience_seconds: float = Field(
        default=3600.0,
        ge=0,
        description="how long a job of another release's engine rules waits for one of that release's workers",
    )
    agent_answer_seconds: float = Field(
        default=20.0,
        gt=0,
        description="how long a worker waits for the answer of a provider's agent before it leaves the work for later",
    )
    agent_patience_seconds: float = Field(
        default=3600.0,
        ge=0,
        description="how long a part of a job waits for a provider's agent before the job ends and its pool goes back",
    )
    worker_withdraw_after: int = Field(
        default=3, gt=0, description="a worker at which so much different work failed in a row ends itself"
    )
    max_attempts: int = Field(default=3, gt=0, description="tries of a shard before its job fails")
    unlearn_grace_seconds: float = Field(
        default=3600.0,
        ge=0,
        description="how long a checkpoint's owner who has not said how may say so, once its data is withdrawn",
    )
    heartbeat_seconds: float = Field(default=1.0, gt=0, description="how often a worker looks for a cancelled job")
    redispatch_seconds: float = Field(
        default=15.0, gt=0, description="when an unclaimed shard's message counts as lost"
    )
    consent_hours: float = Field(
        default=72.0, gt=0, le=2160, description="how long providers who approve each job may take, where no order says"
    )
    sweep_seconds: float = Field(default=5.0, gt=0, description="how often the sweeper looks")
    max_running_per_buyer: int = Field(default=4, gt=0, description="jobs at once; more wait in the queue")
    max_shard_worths: int = Field(default=4096, gt=0, description="worths of one shard at most")
    max_answer_bytes: int = Field(
        default=4 * 1024**2,
        gt=0,
        description="what one model answers on a test set is kept up to this size; of more, what rows move worths by",
    )
    worker_cache_bytes: int = Field(default=2 * 1024**3, gt=0, description="games a worker keeps loaded")
    worker_max_memory_bytes: int = Field(default=8 * 1024**3, gt=0, description="a worker process above it is replaced")

    worker_nice: int = Field(
        default=0, ge=0, le=19, description="how much a worker gives way to what shares its processors (see nice(1))"
    )

    webhook_allow_private: bool = Field(
        default=False, description="deliver webhooks to private addresses and over http; for development and tests"
    )
    webhook_failed_events: int = Field(default=5, gt=0, description="failed in a row, they disable an endpoint")
    webhook_log_days: int = Field(default=30, gt=0, description="how long finished deliveries are kept")

    def direct_url(self) -> str:
        """Postgres' own address where it is known, else the one that there is."""
        return (self.database_direct_url or self.database_url).get_secret_value()

    def listening_url(self) -> str | None:
        """Postgres' own address, where one can LISTEN; None where only a pooler's is known."""
        return None if self.database_direct_url is None and self.database_pooler != "none" else self.direct_url()

    @model_validator(mode="after")
    def _refuse_private_webhooks(self) -> Self:
        if self.environment != "development" and self.webhook_allow_private:
            raise ValueError(
                "CHERISH_WEBHOOK_ALLOW_PRIVATE is set outside development; it would let customers reach the "
                "service's own network, so unset it"
            )
        return self

    @classmethod
    def from_variables(cls, variables: Mapping[str, str]) -> Self:
        """The settings that these ``CHERISH_*`` variables name; they come before this process's own environment."""
        prefix = cls.model_config["env_prefix"]
        return cls.model_validate({name.removeprefix(prefix).lower(): value for name, value in variables.items()})

    @field_validator("database_url", "database_direct_url")
    @classmethod
    def _spell_password(cls, value: SecretStr | None) -> SecretStr | None:
        """An @ in the password, which a URL spells %40, is understood as it is meant."""
        if value is None:
            return None
        scheme, separator, rest = value.get_secret_value().partition("://")
        user, at, place = rest.rpartition("@")
        if not separator or not at or "@" not in user:
            return value
        return SecretStr(f"{scheme}://{user.replace('@', '%40')}@{place}")

    @field_validator("certificate_key")
    @classmethod
    def _is_a_seed(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and _bytes_of(value.get_secret_value()) != _SECRET_BYTES:
            raise ValueError(f"CHERISH_CERTIFICATE_KEY is not 32 bytes in base64; make one with: {_NEW_SEED}")
        return value

    @model_validator(mode="after")
    def _refuse_weak_secrets(self) -> Self:
        if self.environment == "development":
            return self
        for name in ("key_pepper", "signing_secret"):
            variable, secret = f"CHERISH_{name.upper()}", getattr(self, name).get_secret_value()
            if secret == _DEVELOPMENT_SECRET:
                raise ValueError(
                    f"{variable} still has its development default; outside development set it to a long random string"
                )
            if len(secret.encode()) < _SECRET_BYTES:
                raise ValueError(
                    f"{variable} has {len(secret.encode())} bytes; outside development it has {_SECRET_BYTES} at "
                    f"least, so set it to what this prints: {_NEW_SECRET}"
                )
        if self.certificate_key is None:
            raise ValueError(
                "CHERISH_CERTIFICATE_KEY is not set; outside development certificates have a key of their own, which "
                f"outlasts the other secrets, so set it to what this prints: {_NEW_SEED}"
            )
        return self


def _bytes_of(text: str) -> int:
    """How many bytes a base64 text stands for; -1 where it is none."""
    try:
        return len(base64.b64decode(text, validate=True))
    except binascii.Error:
        return -1


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The process's settings; read once. A process that cannot have them ends, with a line for each that is wrong."""
    try:
        return Settings()
    except ValidationError as error:
        raise SystemExit("\n".join(f"cherish: {line}" for line in wrong_settings(error))) from None


def wrong_settings(error: ValidationError) -> list[str]:
    """What is wrong with which variable, a sentence each."""
    lines = []
    for fault in error.errors(include_input=False, include_url=False):
        match fault:
            case {"msg": said, "loc": place}:
                text = said.removeprefix("Value error, ")
                name = "".join(f"CHERISH_{str(each).upper()}" for each in place[:1])
                lines.append(text if not name or name in text else f"{name}: {text}")
    return lines
