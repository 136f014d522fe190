"""Every operation of the API, to be awaited. Made from docs/openapi.json by tools/client_code.py; edit neither."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from cherish import models as m
from cherish.calling import AsyncCalls, Content, part


class AsyncOperations(AsyncCalls):
    """Every operation by its name in the API's document; what is refused raises ``Problem``."""

    async def accept_invitation(
        self, body: m.AcceptanceBody | Mapping[str, Any], *, idempotency_key: str | None = None
    ) -> m.UserAnswer:
        """Set the password of an invited user; needs no key. The user can then sign in."""
        answer: m.UserAnswer = await self._call(
            "POST",
            "/v1/invitations/accept",
            {200: m.UserAnswer},
            header={"idempotency-key": idempotency_key},
            body=body,
        )
        return answer

    async def add_dataset_version(
        self,
        dataset_id: str,
        body: m.FetchBody | Mapping[str, Any],
        *,
        columns: list[str] | None = None,
        delimiter: str | None = None,
        encoding: str | None = None,
        sheet: str | None = None,
        read: list[str] | None = None,
    ) -> m.DatasetAnswer:
        """Fetch a file from an address, and make it the dataset's content as `PUT …/content` does: the same
        checks, and the same bytes again change nothing. The query declares how the file is read. Addresses
        inside networks are refused, of redirects too. Key and token are used for this call and kept nowhere.
        """
        answer: m.DatasetAnswer = await self._call(
            "POST",
            f"/v1/datasets/{part(dataset_id)}/versions",
            {201: m.DatasetAnswer},
            query={"columns": columns, "delimiter": delimiter, "encoding": encoding, "sheet": sheet, "read": read},
            body=body,
        )
        return answer

    async def approve_account(self, account_id: str, *, idempotency_key: str | None = None) -> m.AccountAnswer:
        """Let an organisation that registered itself act: its keys and users work from now on."""
        answer: m.AccountAnswer = await self._call(
            "POST",
            f"/v1/admin/accounts/{part(account_id)}/approve",
            {200: m.AccountAnswer},
            header={"idempotency-key": idempotency_key},
        )
        return answer

    async def approve_valuation(
        self, valuation_id: str, body: m.ConsentBody | Mapping[str, Any], *, idempotency_key: str | None = None
    ) -> m.ConsentAnswer:
        """Let the job use your data, which is final; it begins when everybody it waits for has approved."""
        answer: m.ConsentAnswer = await self._call(
            "POST",
            f"/v1/me/consents/{part(valuation_id)}/approve",
            {200: m.ConsentAnswer},
            header={"idempotency-key": idempotency_key},
            body=body,
        )
        return answer

    async def approve_withdrawal(self, withdrawal_id: str, *, idempotency_key: str | None = None) -> m.WithdrawalAnswer:
        """Say that the money has left."""
        answer: m.WithdrawalAnswer = await self._call(
            "POST",
            f"/v1/ledger/withdrawals/{part(withdrawal_id)}/approval",
            {200: m.WithdrawalAnswer},
            header={"idempotency-key": idempotency_key},
        )
        return answer

    async def ask_for_passkey(self) -> m.PasskeyOptions:
        """What a browser asks a device: the `publicKey` of `navigator.credentials.get`; needs no key and names
        nobody."""
        answer: m.PasskeyOptions = await self._call("POST", "/v1/sessions/passkey/options", {200: m.PasskeyOptions})
        return answer

    async def begin_checkpoint_upload(
        self, checkpoint_id: str, *, upload_length: int, upload_metadata: str | None = None
    ) -> m.CheckpointUpload:
        """Begin an upload of weights that can be resumed (tus 1.0); send its parts with `PATCH` to `Location`."""
        answer: m.CheckpointUpload = await self._call(
            "POST",
            f"/v1/checkpoints/{part(checkpoint_id)}/uploads",
            {201: m.CheckpointUpload},
            header={"Upload-Length": upload_length, "Upload-Metadata": upload_metadata},
        )
        return answer

    async def begin_direct_upload(
        self,
        dataset_id: str,
        body: m.DirectBody | Mapping[str, Any],
        *,
        columns: list[str] | None = None,
        delimiter: str | None = None,
        encoding: str | None = None,
        sheet: str | None = None,
        read: list[str] | None = None,
        idempotency_key: str | None = None,
    ) -> m.DirectAnswer:
        """Begin an upload whose bytes go to the S3 store without passing through the service; a 409 says where
        that is not offered. Ask for its parts' addresses with `GET …/parts`. The query declares how the file is
        read, as for `PUT …/content`."""
        answer: m.DirectAnswer = await self._call(
            "POST",
            f"/v1/datasets/{part(dataset_id)}/direct-uploads",
            {201: m.DirectAnswer},
            query={"columns": columns, "delimiter": delimiter, "encoding": encoding, "sheet": sheet, "read": read},
            header={"idempotency-key": idempotency_key},
            body=body,
        )
        return answer

    async def begin_passkey(self, body: m.PresentPassword | Mapping[str, Any]) -> m.PasskeyOptions:
        """What the browser makes a passkey from: the `publicKey` of `navigator.credentials.create`."""
        answer: m.PasskeyOptions = await self._call(
            "POST", "/v1/me/passkeys/options", {200: m.PasskeyOptions}, body=body
        )
        return answer

    async def begin_second_factor(self, body: m.PresentPassword | Mapping[str, Any]) -> m.EnrolmentAnswer:
        """A new secret for one's authenticator (TOTP, RFC 6238). It counts once a code of it has confirmed it."""
        answer: m.EnrolmentAnswer = await self._call(
            "POST", "/v1/me/second-factor", {201: m.EnrolmentAnswer}, body=body
        )
        return answer

    async def begin_upload(
        self,
        dataset_id: str,
        *,
        upload_length: int,
        columns: list[str] | None = None,
        delimiter: str | None = None,
        encoding: str | None = None,
        sheet: str | None = None,
        read: list[str] | None = None,
        upload_metadata: str | None = None,
    ) -> m.UploadAnswer:
        """Begin an upload that can be resumed (tus 1.0); send its parts with `PATCH` to `Location`. The query
        declares how the file is read, as for `PUT …/content`."""
        answer: m.UploadAnswer = await self._call(
            "POST",
            f"/v1/datasets/{part(dataset_id)}/uploads",
            {201: m.UploadAnswer},
            query={"columns": columns, "delimiter": delimiter, "encoding": encoding, "sheet": sheet, "read": read},
            header={"Upload-Length": upload_length, "Upload-Metadata": upload_metadata},
        )
        return answer

    async def buy_delivered_data(
        self, valuation_id: str, dataset_id: str, *, idempotency_key: str | None = None
    ) -> m.PurchaseAnswer:
        """Buy a dataset's rows from your balance, in the version that your job valued, for the price that was
        agreed when it was posted. Final; called again, it is the same purchase."""
        answer: m.PurchaseAnswer = await self._call(
            "POST",
            f"/v1/valuations/{part(valuation_id)}/data/{part(dataset_id)}/purchase",
            {200: m.PurchaseAnswer},
            header={"idempotency-key": idempotency_key},
        )
        return answer

    async def cancel_exploration(
        self, exploration_id: str, *, idempotency_key: str | None = None
    ) -> m.ExplorationAnswer:
        """Stop an exploration; what was held for device time goes back."""
        answer: m.ExplorationAnswer = await self._call(
            "POST",
            f"/v1/explorations/{part(exploration_id)}/cancel",
            {202: m.ExplorationAnswer},
            header={"idempotency-key": idempotency_key},
        )
        return answer

    async def cancel_standing_order(
        self, order_id: str, *, idempotency_key: str | None = None
    ) -> m.StandingOrderAnswer:
        """End it for good; jobs that it posted go on."""
        answer: m.StandingOrderAnswer = await self._call(
            "POST",
            f"/v1/standing-orders/{part(order_id)}/cancel",
            {200: m.StandingOrderAnswer},
            header={"idempotency-key": idempotency_key},
        )
        return answer

    async def cancel_valuation(self, valuation_id: str, *, idempotency_key: str | None = None) -> m.ValuationAnswer:
        """Stop a job: work on devices ends within seconds, the pool goes back, what was computed stays stored."""
        answer: m.ValuationAnswer = await self._call(
            "POST",
            f"/v1/valuations/{part(valuation_id)}/cancel",
            {202: m.ValuationAnswer},
            header={"idempotency-key": idempotency_key},
        )
        return answer

    async def change_checkpoint(
        self, checkpoint_id: str, body: m.CheckpointChanges | Mapping[str, Any]
    ) -> m.CheckpointAnswer:
        """Rename a checkpoint, or say how it is to forget what is withdrawn; a duty that waits for that begins at
        once."""
        answer: m.CheckpointAnswer = await self._call(
            "PATCH", f"/v1/checkpoints/{part(checkpoint_id)}", {200: m.CheckpointAnswer}, body=body
        )
        return answer

    async def change_limits(self, account_id: str, body: m.LimitsBody | Mapping[str, Any]) -> m.LimitsAnswer:
        """Give an organisation limits of its own, or with null the settings' again. 0 jobs at once holds new jobs
        back."""
        answer: m.LimitsAnswer = await self._call(
            "PATCH", f"/v1/admin/accounts/{part(account_id)}/limits", {200: m.LimitsAnswer}, body=body
        )
        return answer

    async def change_password(self, body: m.PasswordBody | Mapping[str, Any]) -> None:
        """Choose another password, as a signed-in user; every session of the user ends, this one included."""
        await self._call("PUT", "/v1/me/password", {204: None}, body=body)

    async def change_webhook(self, webhook_id: str, body: m.WebhookPatch | Mapping[str, Any]) -> m.WebhookAnswer:
        """Change the URL, filter or note of an endpoint; disable it, or enable it again."""
        answer: m.WebhookAnswer = await self._call(
            "PATCH", f"/v1/webhooks/{part(webhook_id)}", {200: m.WebhookAnswer}, body=body
        )
        return answer

    async def close_wanted_ad(self, ad_id: str, *, idempotency_key: str | None = None) -> m.WantedAdAnswer:
        """Take your ad down."""
        answer: m.WantedAdAnswer = await self._call(
            "POST",
            f"/v1/wanted-ads/{part(ad_id)}/close",
            {200: m.WantedAdAnswer},
            header={"idempotency-key": idempotency_key},
        )
        return answer

    async def complete_direct_upload(
        self, dataset_id: str, upload_id: str, *, idempotency_key: str | None = None
    ) -> m.DatasetAnswer:
        """Say that all parts are in the store. The file's size and SHA-256 are checked, it is read as any upload
        is, and is the dataset's content then; one that is refused is removed from the store."""
        answer: m.DatasetAnswer = await self._call(
            "POST",
            f"/v1/datasets/{part(dataset_id)}/direct-uploads/{part(upload_id)}/complete",
            {200: m.DatasetAnswer},
            header={"idempotency-key": idempotency_key},
        )
        return answer

    async def confirm_second_factor(self, body: m.SecondFactorCode | Mapping[str, Any]) -> m.RecoveryCodes:
        """Sign in with codes from now on. The answer has the recovery codes; one's other sessions end."""
        answer: m.RecoveryCodes = await self._call(
            "POST", "/v1/me/second-factor/confirm", {200: m.RecoveryCodes}, body=body
        )
        return answer

    async def create_account(
        self, body: m.AccountBody | Mapping[str, Any], *, idempotency_key: str | None = None
    ) -> m.CreatedAccount:
        """Create an organisation, and its first key with all scopes of its role."""
        answer: m.CreatedAccount = await self._call(
            "POST", "/v1/accounts", {201: m.CreatedAccount}, header={"idempotency-key": idempotency_key}, body=body
        )
        return answer

    async def create_attribution(
        self, valuation_id: str, body: m.NewAttribution | Mapping[str, Any], *, idempotency_key: str | None = None
    ) -> m.AttributionAnswer:
        """Ask which providers answers of your job's delivered language model leaned on: Shapley values over the
        token probabilities of models of single providers, kept of a job that was ordered with `attributions`.
        Nothing is trained. It counts against your budget for the datasets; 409, with the reason, where the
        model cannot be asked."""
        answer: m.AttributionAnswer = await self._call(
            "POST",
            f"/v1/models/{part(valuation_id)}/attributions",
            {202: m.AttributionAnswer},
            header={"idempotency-key": idempotency_key},
            body=body,
        )
        return answer

    async def create_checkpoint(
        self, body: m.CheckpointBody | Mapping[str, Any], *, idempotency_key: str | None = None
    ) -> m.CheckpointAnswer:
        """Create a checkpoint; then `PUT` its weights to `/v1/checkpoints/{id}/content`, or let the job train it."""
        answer: m.CheckpointAnswer = await self._call(
            "POST", "/v1/checkpoints", {201: m.CheckpointAnswer}, header={"idempotency-key": idempotency_key}, body=body
        )
        return answer

    async def create_dataset(
        self, body: m.DatasetBody | Mapping[str, Any], *, idempotency_key: str | None = None
    ) -> m.DatasetAnswer:
        """Create a dataset as a draft; then `PUT` its bytes to `/v1/datasets/{id}/content`."""
        answer: m.DatasetAnswer = await self._call(
            "POST", "/v1/datasets", {201: m.DatasetAnswer}, header={"idempotency-key": idempotency_key}, body=body
        )
        return answer

    async def create_exploration(
        self, body: m.NewExploration | Mapping[str, Any], *, idempotency_key: str | None = None
    ) -> m.ExplorationAnswer:
        """Rank datasets before you buy: cheap unlearned worths, not audited, told in steps. It pays nobody; you
        pay device time, within `budget`. It counts as a question about each dataset's rows (429 when your
        budget for one is spent)."""
        answer: m.ExplorationAnswer = await self._call(
            "POST",
            "/v1/explorations",
            {202: m.ExplorationAnswer},
            header={"idempotency-key": idempotency_key},
            body=body,
        )
        return answer

    async def create_key(
        self, body: m.KeyBody | Mapping[str, Any], *, idempotency_key: str | None = None
    ) -> m.CreatedKey:
        """Create a key for one's own account. Its token is in this answer and nowhere else."""
        answer: m.CreatedKey = await self._call(
            "POST", "/v1/keys", {201: m.CreatedKey}, header={"idempotency-key": idempotency_key}, body=body
        )
        return answer

    async def create_password_reset(self, body: m.ResetBody | Mapping[str, Any]) -> m.ResetAnswer:
        """Ask for a letter with a token that sets another password (`/v1/invitations/accept`); needs no key. The
        answer is the same whether or not the address is known; the letter is written after it."""
        answer: m.ResetAnswer = await self._call("POST", "/v1/password-resets", {202: m.ResetAnswer}, body=body)
        return answer

    async def create_registration(
        self, body: m.RegistrationBody | Mapping[str, Any], *, idempotency_key: str | None = None
    ) -> m.CreatedAccount:
        """Register one's own organisation and its first user; needs no key. Whether that is possible is a setting."""
        answer: m.CreatedAccount = await self._call(
            "POST", "/v1/registrations", {201: m.CreatedAccount}, header={"idempotency-key": idempotency_key}, body=body
        )
        return answer

    async def create_session(self, body: m.SignInBody | Mapping[str, Any]) -> m.SessionAnswer:
        """Sign a browser in with address and password, and with a code where the user has a second factor (without
        it the 401's `errors` are of type `second_factor`): the session is in the cookie of this answer,
        `cherish_session` or, under https, `__Host-cherish_session`. The cookie stands for a key in every call;
        one that is not a GET also sends `csrf_token` as `X-CSRF-Token`."""
        answer: m.SessionAnswer = await self._call("POST", "/v1/sessions", {201: m.SessionAnswer}, body=body)
        return answer

    async def create_session_by_passkey(self, body: m.PasskeySignIn | Mapping[str, Any]) -> m.SessionAnswer:
        """Sign a browser in with a passkey, without password or code; the session is as that of `POST
        /v1/sessions`."""
        answer: m.SessionAnswer = await self._call("POST", "/v1/sessions/passkey", {201: m.SessionAnswer}, body=body)
        return answer

    async def create_standing_order(
        self, body: m.NewStandingOrder | Mapping[str, Any], *, idempotency_key: str | None = None
    ) -> m.StandingOrderAnswer:
        """Repeat a job of yours whenever one of its datasets has a new version, within a cap for the month."""
        answer: m.StandingOrderAnswer = await self._call(
            "POST",
            "/v1/standing-orders",
            {201: m.StandingOrderAnswer},
            header={"idempotency-key": idempotency_key},
            body=body,
        )
        return answer

    async def create_valuation(
        self, body: m.NewValuation | Mapping[str, Any], *, idempotency_key: str | None = None
    ) -> m.ValuationAnswer:
        """Post a valuation: everything is checked, the pool goes into escrow, and the job starts. A job is a
        question about each of its datasets' rows and counts against your budget for them (429 when it is
        spent)."""
        answer: m.ValuationAnswer = await self._call(
            "POST", "/v1/valuations", {202: m.ValuationAnswer}, header={"idempotency-key": idempotency_key}, body=body
        )
        return answer

    async def create_webhook(
        self, body: m.WebhookBody | Mapping[str, Any], *, idempotency_key: str | None = None
    ) -> m.WebhookWithSecret:
        """Register a URL of yours to be told what happens. Its secret is in this answer and nowhere else."""
        answer: m.WebhookWithSecret = await self._call(
            "POST", "/v1/webhooks", {201: m.WebhookWithSecret}, header={"idempotency-key": idempotency_key}, body=body
        )
        return answer

    async def decide_void(
        self,
        valuation_id: str,
        provider_id: str,
        body: m.VoidDecisionBody | Mapping[str, Any],
        *,
        idempotency_key: str | None = None,
    ) -> m.VoidsAnswer:
        """Decide a provider's dispute: let it stand, or have rows opened once more."""
        answer: m.VoidsAnswer = await self._call(
            "POST",
            f"/v1/ledger/voids/{part(valuation_id)}/{part(provider_id)}",
            {200: m.VoidsAnswer},
            header={"idempotency-key": idempotency_key},
            body=body,
        )
        return answer

    async def delete_dataset(self, dataset_id: str) -> None:
        """Delete a dataset that no job has used, and erase its bytes unless another dataset has the same."""
        await self._call("DELETE", f"/v1/datasets/{part(dataset_id)}", {204: None})

    async def delete_webhook(self, webhook_id: str) -> None:
        """Delete an endpoint with its log."""
        await self._call("DELETE", f"/v1/webhooks/{part(webhook_id)}", {204: None})

    async def dispute_void(
        self, valuation_id: str, body: m.VoidDisputeBody | Mapping[str, Any], *, idempotency_key: str | None = None
    ) -> m.VoidsAnswer:
        """Say that your own payout of a job is not void, before it goes back to the buyer; an administrator
        decides."""
        answer: m.VoidsAnswer = await self._call(
            "POST",
            f"/v1/ledger/voids/{part(valuation_id)}",
            {200: m.VoidsAnswer},
            header={"idempotency-key": idempotency_key},
            body=body,
        )
        return answer

    async def end_checkpoint_upload(self, checkpoint_id: str, upload_id: str) -> None:
        """End an upload: what came of it is forgotten."""
        await self._call("DELETE", f"/v1/checkpoints/{part(checkpoint_id)}/uploads/{part(upload_id)}", {204: None})

    async def end_current_session(self) -> None:
        """Sign out: the session ends at once, here and on the server. A key has no session: 403."""
        await self._call("DELETE", "/v1/sessions/current", {204: None})

    async def end_direct_upload(self, dataset_id: str, upload_id: str) -> None:
        """End a direct upload: what came of it is removed from the store, and its addresses take nothing more."""
        await self._call("DELETE", f"/v1/datasets/{part(dataset_id)}/direct-uploads/{part(upload_id)}", {204: None})

    async def end_other_sessions(self) -> None:
        """Sign the signed-in user out everywhere else, at once."""
        await self._call("DELETE", "/v1/me/sessions", {204: None})

    async def end_own_session(self, session_id: str) -> None:
        """Sign one browser of the signed-in user out, at once; twice is once."""
        await self._call("DELETE", f"/v1/me/sessions/{part(session_id)}", {204: None})

    async def end_upload(self, dataset_id: str, upload_id: str) -> None:
        """End an upload: what came of it is forgotten."""
        await self._call("DELETE", f"/v1/datasets/{part(dataset_id)}/uploads/{part(upload_id)}", {204: None})

    async def end_user_sessions(self, user_id: str) -> None:
        """Sign somebody of one's own organisation out of every browser, at once; they can sign in again."""
        await self._call("DELETE", f"/v1/users/{part(user_id)}/sessions", {204: None})

    async def get_account(self, account_id: str) -> m.AccountAnswer:
        """One organisation."""
        answer: m.AccountAnswer = await self._call("GET", f"/v1/accounts/{part(account_id)}", {200: m.AccountAnswer})
        return answer

    async def get_attribution(
        self, valuation_id: str, attribution_id: str, *, format: Literal["json", "csv"] | str | None = None
    ) -> m.AttributionAnswer:
        """Of each answer and of all together: what each provider's data adds to a token, in nats, and its share.
        Erased when data of one of the providers is withdrawn."""
        answer: m.AttributionAnswer = await self._call(
            "GET",
            f"/v1/models/{part(valuation_id)}/attributions/{part(attribution_id)}",
            {200: m.AttributionAnswer},
            query={"format": format},
        )
        return answer

    async def get_balance(self) -> m.BalancesAnswer:
        """One's own money, by currency."""
        answer: m.BalancesAnswer = await self._call("GET", "/v1/me/balance", {200: m.BalancesAnswer})
        return answer

    async def get_balance_of(self, account_id: str) -> m.BalancesAnswer:
        """An organisation's money, by currency."""
        answer: m.BalancesAnswer = await self._call(
            "GET", f"/v1/ledger/accounts/{part(account_id)}/balance", {200: m.BalancesAnswer}
        )
        return answer

    async def get_billing(self) -> m.BillingAnswer:
        """Whom your invoices and credit notes are made out to; null before you said so."""
        answer: m.BillingAnswer = await self._call("GET", "/v1/me/billing", {200: m.BillingAnswer})
        return answer

    async def get_certificate(self, valuation_id: str) -> m.Certificate:
        """The result and the payouts, by digests, signed; check it with `GET /v1/valuations/certificates/key`."""
        answer: m.Certificate = await self._call(
            "GET", f"/v1/valuations/{part(valuation_id)}/certificate", {200: m.Certificate}
        )
        return answer

    async def get_certificate_key(self) -> m.CertificateKey:
        """The public key of this deployment's certificates; keep it where you trust it."""
        answer: m.CertificateKey = await self._call("GET", "/v1/valuations/certificates/key", {200: m.CertificateKey})
        return answer

    async def get_checkpoint(self, checkpoint_id: str) -> m.CheckpointAnswer:
        """One of one's own checkpoints."""
        answer: m.CheckpointAnswer = await self._call(
            "GET", f"/v1/checkpoints/{part(checkpoint_id)}", {200: m.CheckpointAnswer}
        )
        return answer

    async def get_checkpoint_content(self, checkpoint_id: str) -> bytes:
        """One's own weights: what was uploaded, or what unlearning made of it."""
        answer: bytes = await self._call("GET", f"/v1/checkpoints/{part(checkpoint_id)}/content", {200: bytes})
        return answer

    async def get_checkpoint_upload(self, checkpoint_id: str, upload_id: str) -> m.CheckpointUpload:
        """How much of an upload is here; `HEAD` says it in `Upload-Offset`."""
        answer: m.CheckpointUpload = await self._call(
            "GET", f"/v1/checkpoints/{part(checkpoint_id)}/uploads/{part(upload_id)}", {200: m.CheckpointUpload}
        )
        return answer

    async def get_classes(self, valuation_id: str) -> m.ByClassAnswer | m.ByClassPending:
        """What each player did for each class of the test set, from the models' stored answers. It counts against
        your budget for the datasets, like another metric; classes with under 10 test rows are not told."""
        answer: m.ByClassAnswer | m.ByClassPending = await self._call(
            "GET", f"/v1/valuations/{part(valuation_id)}/classes", {200: m.ByClassAnswer, 202: m.ByClassPending}
        )
        return answer

    async def get_current_session(self) -> m.SessionAnswer:
        """Who is signed in with this browser, until when, and the token that changes carry. A key has no session:
        403."""
        answer: m.SessionAnswer = await self._call("GET", "/v1/sessions/current", {200: m.SessionAnswer})
        return answer

    async def get_data_manifest(self, valuation_id: str, dataset_id: str) -> m.ManifestAnswer:
        """What was handed over of a dataset, signed: version, provider, buyer, licence, and the digest of each
        copy."""
        answer: m.ManifestAnswer = await self._call(
            "GET", f"/v1/valuations/{part(valuation_id)}/data/{part(dataset_id)}/manifest", {200: m.ManifestAnswer}
        )
        return answer

    async def get_dataset(self, dataset_id: str) -> m.DatasetAnswer:
        """One of one's own datasets."""
        answer: m.DatasetAnswer = await self._call("GET", f"/v1/datasets/{part(dataset_id)}", {200: m.DatasetAnswer})
        return answer

    async def get_dataset_content(self, dataset_id: str) -> bytes:
        """The file of one of one's own datasets."""
        answer: bytes = await self._call("GET", f"/v1/datasets/{part(dataset_id)}/content", {200: bytes})
        return answer

    async def get_dataset_croissant(self, dataset_id: str) -> Any:
        """A dataset as a Croissant 1.1 document (JSON-LD): one's own with content, or anybody's published one."""
        answer: Any = await self._call("GET", f"/v1/datasets/{part(dataset_id)}/croissant", {200: Any})
        return answer

    async def get_dataset_dcat(self, dataset_id: str) -> Any:
        """A dataset as a DCAT 3 document (JSON-LD), for catalogues of others: one's own, or a published one."""
        answer: Any = await self._call("GET", f"/v1/datasets/{part(dataset_id)}/dcat", {200: Any})
        return answer

    async def get_dataset_disclosures(self, dataset_id: str) -> m.Disclosures:
        """Who asked what depends on the rows of one of one's own datasets, and how much of their budget they
        spent."""
        answer: m.Disclosures = await self._call(
            "GET", f"/v1/datasets/{part(dataset_id)}/disclosures", {200: m.Disclosures}
        )
        return answer

    async def get_dataset_profile(self, dataset_id: str) -> m.ProfileAnswer:
        """What a worker found in the newest version: columns, labels, repeated rows, copies in other listings."""
        answer: m.ProfileAnswer = await self._call(
            "GET", f"/v1/datasets/{part(dataset_id)}/profile", {200: m.ProfileAnswer}
        )
        return answer

    async def get_delivered_data(self, valuation_id: str, dataset_id: str) -> bytes:
        """The rows of a dataset that your job paid for, where its licence grants `data`. Each access is recorded
        and its provider is told; after a withdrawal it is a 409. Rows that are lines come in an order of this
        copy's own."""
        answer: bytes = await self._call(
            "GET", f"/v1/valuations/{part(valuation_id)}/data/{part(dataset_id)}", {200: bytes}
        )
        return answer

    async def get_delivery(self, valuation_id: str) -> m.JobDeliveryAnswer:
        """What your job delivers beside values, and how that stands; 409 before it has settled."""
        answer: m.JobDeliveryAnswer = await self._call(
            "GET", f"/v1/valuations/{part(valuation_id)}/delivery", {200: m.JobDeliveryAnswer}
        )
        return answer

    async def get_document(
        self, month: str, *, currency: str, format: Literal["pdf", "html"] | str | None = None
    ) -> bytes:
        """A provider's credit note, or a buyer's invoice, of a month that has ended: each settled job, net, VAT,
        total. It is issued when it is first asked for, under its seller's next number of the year, and never
        changes."""
        answer: bytes = await self._call(
            "GET", f"/v1/me/documents/{part(month)}", {200: bytes}, query={"currency": currency, "format": format}
        )
        return answer

    async def get_erasure(self, dataset_id: str) -> m.Certificate:
        """The signed record of what was erased when one's own dataset was withdrawn: digests, models, checkpoints."""
        answer: m.Certificate = await self._call(
            "GET", f"/v1/datasets/{part(dataset_id)}/erasure", {200: m.Certificate}
        )
        return answer

    async def get_evidence(self, valuation_id: str) -> bytes:
        """All that your job's values, intervals and amounts rest on: each worth, and what the pool was divided by.
        Its Merkle root is the certificate's: `cherish verify CERTIFICATE EVIDENCE` repeats the job from it. 409
        before the job has settled, and after a withdrawal."""
        answer: bytes = await self._call("GET", f"/v1/valuations/{part(valuation_id)}/evidence", {200: bytes})
        return answer

    async def get_exploration(self, exploration_id: str) -> m.ExplorationAnswer:
        """Datasets by what they are worth here, and what the best few of each number reach."""
        answer: m.ExplorationAnswer = await self._call(
            "GET", f"/v1/explorations/{part(exploration_id)}", {200: m.ExplorationAnswer}
        )
        return answer

    async def get_failure(self, valuation_id: str) -> m.Failure:
        """The last traceback of a job's work, for administrators."""
        answer: m.Failure = await self._call(
            "GET", f"/v1/admin/valuations/{part(valuation_id)}/failure", {200: m.Failure}
        )
        return answer

    async def get_health(self) -> m.Alive:
        """Whether this process answers at all; restart it when not."""
        answer: m.Alive = await self._call("GET", "/healthz", {200: m.Alive})
        return answer

    async def get_identity_provider(self) -> m.IdentityProviderAnswer:
        """The provider through which one's organisation's people may sign in."""
        answer: m.IdentityProviderAnswer = await self._call(
            "GET", "/v1/identity-provider", {200: m.IdentityProviderAnswer}
        )
        return answer

    async def get_limits(self, account_id: str) -> m.LimitsAnswer:
        """What applies to an organisation: jobs at once, reads and writes a minute."""
        answer: m.LimitsAnswer = await self._call(
            "GET", f"/v1/admin/accounts/{part(account_id)}/limits", {200: m.LimitsAnswer}
        )
        return answer

    async def get_lineage(self, checkpoint_id: str) -> m.Lineage:
        """Which dataset versions one of one's own checkpoints has seen."""
        answer: m.Lineage = await self._call("GET", f"/v1/checkpoints/{part(checkpoint_id)}/lineage", {200: m.Lineage})
        return answer

    async def get_linked_data(self, token: str) -> bytes:
        """The rows that a link leads to; recorded for their provider as an access of the buyer's who made it."""
        answer: bytes = await self._call("GET", f"/v1/data-links/{part(token)}", {200: bytes})
        return answer

    async def get_listing(self, dataset_id: str) -> m.Listing:
        """One published dataset: what it is, who offers it, on which terms."""
        answer: m.Listing = await self._call("GET", f"/v1/catalog/{part(dataset_id)}", {200: m.Listing})
        return answer

    async def get_listing_preview(self, dataset_id: str) -> m.Preview:
        """As many rows as the provider shows; none until a worker has taken them out."""
        answer: m.Preview = await self._call("GET", f"/v1/catalog/{part(dataset_id)}/preview", {200: m.Preview})
        return answer

    async def get_me(self) -> m.MeAnswer:
        """Who the key at hand belongs to, and what it may do."""
        answer: m.MeAnswer = await self._call("GET", "/v1/me", {200: m.MeAnswer})
        return answer

    async def get_metrics(self) -> bytes:
        """Counters of this process and gauges of the deployment, in Prometheus' text format; while the database is
        away the counters alone, and `cherish_database_up` is 0."""
        answer: bytes = await self._call("GET", "/metrics", {200: bytes})
        return answer

    async def get_model(self, valuation_id: str) -> bytes:
        """The model that was trained on everybody who is paid and whose licence grants it; 409, with the reason,
        where it is not there (yet). `Range` fetches a part of it. Predict with `cherish predict MODEL.zip
        FILE`."""
        answer: bytes = await self._call("GET", f"/v1/valuations/{part(valuation_id)}/model", {200: bytes})
        return answer

    async def get_my_certificate(self, valuation_id: str) -> m.Certificate:
        """Your own part of a settled job, signed: values, intervals, share, amounts and reasons, and the digests
        that the buyer's certificate names; check it with `GET /v1/valuations/certificates/key`."""
        answer: m.Certificate = await self._call(
            "GET", f"/v1/me/valuations/{part(valuation_id)}/certificate", {200: m.Certificate}
        )
        return answer

    async def get_my_classes(self, valuation_id: str) -> m.MyByClass | m.ByClassPending:
        """For which classes of the test set your rows helped in a job, and for which they harmed, in words."""
        answer: m.MyByClass | m.ByClassPending = await self._call(
            "GET", f"/v1/me/valuations/{part(valuation_id)}/classes", {200: m.MyByClass, 202: m.ByClassPending}
        )
        return answer

    async def get_my_consent(self, valuation_id: str) -> m.ConsentAnswer:
        """What one job asks you: for whom, what for, where, on which terms and for what price."""
        answer: m.ConsentAnswer = await self._call(
            "GET", f"/v1/me/consents/{part(valuation_id)}", {200: m.ConsentAnswer}
        )
        return answer

    async def get_my_evidence(
        self, valuation_id: str, *, after: int | None = None, limit: int | None = None
    ) -> m.InclusionAnswer:
        """Proofs that the coalitions your data is in are among those that the job's certificate commits to,
        without any worth; check them with `cherish verify FILE`."""
        answer: m.InclusionAnswer = await self._call(
            "GET",
            f"/v1/me/valuations/{part(valuation_id)}/evidence",
            {200: m.InclusionAnswer},
            query={"after": after, "limit": limit},
        )
        return answer

    async def get_my_valuation(self, valuation_id: str) -> m.MyValuation:
        """One job that values your data: for whom, what for, on which terms, and what came of it, with the reason."""
        answer: m.MyValuation = await self._call("GET", f"/v1/me/valuations/{part(valuation_id)}", {200: m.MyValuation})
        return answer

    async def get_payouts(self, valuation_id: str) -> m.Payouts:
        """Who gets how much of the pool."""
        answer: m.Payouts = await self._call("GET", f"/v1/valuations/{part(valuation_id)}/payouts", {200: m.Payouts})
        return answer

    async def get_pseudonym(self) -> m.Pseudonym:
        """Whether providers see a pseudonym of your organisation."""
        answer: m.Pseudonym = await self._call("GET", "/v1/me/pseudonym", {200: m.Pseudonym})
        return answer

    async def get_readiness(self) -> m.Ready:
        """Whether this process can do its work: database, migrations, blobs, and a turn at the connections as any
        other call needs it. 503 names what is away; without Redis it is degraded. Parts are looked at every few
        seconds, however often this is called; the turn each time."""
        answer: m.Ready = await self._call("GET", "/readyz", {200: m.Ready})
        return answer

    async def get_report(
        self, valuation_id: str, *, format: Literal["html", "pdf"] | str | None = None, metric: str | None = None
    ) -> bytes:
        """The result as one page to keep, with its letters and drawings, that loads nothing; or the same page as
        PDF."""
        answer: bytes = await self._call(
            "GET",
            f"/v1/valuations/{part(valuation_id)}/report",
            {200: bytes},
            query={"format": format, "metric": metric},
        )
        return answer

    async def get_rows(
        self, valuation_id: str, *, format: Literal["json", "csv", "parquet"] | str | None = None
    ) -> m.RowsAnswer:
        """What each row was worth, of a job that was ordered with `rows: values`: to a provider its own rows, to
        the buyer those of providers whose licence grants `data`. Likely wrong labels, near copies, rows that
        harm and rows of most use are marked."""
        answer: m.RowsAnswer = await self._call(
            "GET", f"/v1/valuations/{part(valuation_id)}/rows", {200: m.RowsAnswer}, query={"format": format}
        )
        return answer

    async def get_second_factor(self) -> m.SecondFactorAnswer:
        """Whether the signed-in user signs in with codes, and how many recovery codes are left."""
        answer: m.SecondFactorAnswer = await self._call("GET", "/v1/me/second-factor", {200: m.SecondFactorAnswer})
        return answer

    async def get_sign_in_policy(self) -> m.SignInPolicy:
        """What one's organisation demands of how its people sign in."""
        answer: m.SignInPolicy = await self._call("GET", "/v1/sign-in-policy", {200: m.SignInPolicy})
        return answer

    async def get_standing_order(self, order_id: str) -> m.StandingOrderAnswer:
        """One of them: what it posted, and why it waits, if it does."""
        answer: m.StandingOrderAnswer = await self._call(
            "GET", f"/v1/standing-orders/{part(order_id)}", {200: m.StandingOrderAnswer}
        )
        return answer

    async def get_statement(
        self, *, currency: str | None = None, limit: int | None = None, cursor: str | None = None
    ) -> m.Page_StatementEntry:
        """One's own ledger entries, newest first. Summed over all pages, an account's entries are its balance."""
        answer: m.Page_StatementEntry = await self._call(
            "GET",
            "/v1/me/statement",
            {200: m.Page_StatementEntry},
            query={"currency": currency, "limit": limit, "cursor": cursor},
        )
        return answer

    async def get_statement_csv(
        self, *, currency: str | None = None, limit: int | None = None, cursor: str | None = None
    ) -> bytes:
        """One's own ledger entries as CSV, newest first, safe to open in a spreadsheet."""
        answer: bytes = await self._call(
            "GET", "/v1/me/statement.csv", {200: bytes}, query={"currency": currency, "limit": limit, "cursor": cursor}
        )
        return answer

    async def get_statement_of(
        self, account_id: str, *, currency: str | None = None, limit: int | None = None, cursor: str | None = None
    ) -> m.Page_StatementEntry:
        """An organisation's ledger entries, newest first."""
        answer: m.Page_StatementEntry = await self._call(
            "GET",
            f"/v1/ledger/accounts/{part(account_id)}/statement",
            {200: m.Page_StatementEntry},
            query={"currency": currency, "limit": limit, "cursor": cursor},
        )
        return answer

    async def get_training_data(self, checkpoint_id: str) -> m.TrainingSummary:
        """What a model was trained on, in the sections of the EU's template for public summaries of training
        content (AI Act, Article 53(1)(d)). A delivered model's checkpoint is named by its job's delivery. What
        this market does not know says that the model's provider is to fill it."""
        answer: m.TrainingSummary = await self._call(
            "GET", f"/v1/checkpoints/{part(checkpoint_id)}/training-data", {200: m.TrainingSummary}
        )
        return answer

    async def get_unlearning_certificate(self, checkpoint_id: str, unlearning_id: str) -> m.UnlearningCertificate:
        """How one of one's own checkpoints was made to forget a dataset, and what is left to see of it, signed.
        Check it with `GET /v1/valuations/certificates/key`, as a valuation's."""
        answer: m.UnlearningCertificate = await self._call(
            "GET",
            f"/v1/checkpoints/{part(checkpoint_id)}/unlearnings/{part(unlearning_id)}/certificate",
            {200: m.UnlearningCertificate},
        )
        return answer

    async def get_upload(self, dataset_id: str, upload_id: str) -> m.UploadAnswer:
        """How much of an upload is here; `HEAD` says it in `Upload-Offset`."""
        answer: m.UploadAnswer = await self._call(
            "GET", f"/v1/datasets/{part(dataset_id)}/uploads/{part(upload_id)}", {200: m.UploadAnswer}
        )
        return answer

    async def get_valuation(self, valuation_id: str, *, prefer: str | None = None) -> m.ValuationAnswer:
        """A job: where it stands, how far it is, what it cost so far."""
        answer: m.ValuationAnswer = await self._call(
            "GET", f"/v1/valuations/{part(valuation_id)}", {200: m.ValuationAnswer}, header={"prefer": prefer}
        )
        return answer

    async def get_values(
        self,
        valuation_id: str,
        *,
        format: Literal["json", "csv", "parquet"] | str | None = None,
        metric: str | None = None,
    ) -> m.Values | m.ValuesPending:
        """The result: values, intervals, shares, amounts, the audit, and every digest needed to repeat it."""
        answer: m.Values | m.ValuesPending = await self._call(
            "GET",
            f"/v1/valuations/{part(valuation_id)}/values",
            {200: m.Values, 202: m.ValuesPending},
            query={"format": format, "metric": metric},
        )
        return answer

    async def get_wanted_ad(self, ad_id: str) -> m.WantedAdAnswer:
        """One ad, and the listings that fit it: all of them for its buyer, its own for a provider."""
        answer: m.WantedAdAnswer = await self._call("GET", f"/v1/wanted-ads/{part(ad_id)}", {200: m.WantedAdAnswer})
        return answer

    async def get_webhook(self, webhook_id: str) -> m.WebhookAnswer:
        """One endpoint of yours."""
        answer: m.WebhookAnswer = await self._call("GET", f"/v1/webhooks/{part(webhook_id)}", {200: m.WebhookAnswer})
        return answer

    async def get_webhook_delivery(self, webhook_id: str, delivery_id: str) -> m.DeliveryDetail:
        """One delivery: what was sent, and what came back on each attempt."""
        answer: m.DeliveryDetail = await self._call(
            "GET", f"/v1/webhooks/{part(webhook_id)}/deliveries/{part(delivery_id)}", {200: m.DeliveryDetail}
        )
        return answer

    async def get_what_if(
        self, valuation_id: str, *, pool: str | None = None, policy: m.PayoutPolicy | None = None
    ) -> m.WhatIf:
        """What another pool or policy would have paid on the values that are stored; no money moves."""
        answer: m.WhatIf = await self._call(
            "GET",
            f"/v1/valuations/{part(valuation_id)}/what-if",
            {200: m.WhatIf},
            query={"pool": pool, "policy": policy},
        )
        return answer

    async def import_croissant(
        self, body: m.CroissantBody | Mapping[str, Any], *, idempotency_key: str | None = None
    ) -> m.ImportedAnswer:
        """Create a draft from a Croissant 1.0 or 1.1 document: name, description, format, label. Then `PUT` its
        bytes."""
        answer: m.ImportedAnswer = await self._call(
            "POST",
            "/v1/datasets/croissant",
            {201: m.ImportedAnswer},
            header={"idempotency-key": idempotency_key},
            body=body,
        )
        return answer

    async def invite_first_user(
        self, account_id: str, body: m.UserBody | Mapping[str, Any], *, idempotency_key: str | None = None
    ) -> m.InvitedUser:
        """Invite the first person of an organisation that has none, by a token to hand on; later ones it invites
        itself."""
        answer: m.InvitedUser = await self._call(
            "POST",
            f"/v1/admin/accounts/{part(account_id)}/first-user",
            {201: m.InvitedUser},
            header={"idempotency-key": idempotency_key},
            body=body,
        )
        return answer

    async def invite_user(
        self, body: m.UserBody | Mapping[str, Any], *, idempotency_key: str | None = None
    ) -> m.InvitedUser:
        """Invite somebody into one's own organisation. Nothing is mailed: hand the token on yourself."""
        answer: m.InvitedUser = await self._call(
            "POST", "/v1/users", {201: m.InvitedUser}, header={"idempotency-key": idempotency_key}, body=body
        )
        return answer

    async def lift_take_down(self, dataset_id: str, *, idempotency_key: str | None = None) -> m.DatasetAnswer:
        """Let a listing that was taken down be published again by its provider."""
        answer: m.DatasetAnswer = await self._call(
            "POST",
            f"/v1/admin/datasets/{part(dataset_id)}/lift",
            {200: m.DatasetAnswer},
            header={"idempotency-key": idempotency_key},
        )
        return answer

    async def list_accounts(
        self, *, status: m.AccountStatus | None = None, limit: int | None = None, cursor: str | None = None
    ) -> m.Page_AccountAnswer:
        """All organisations, newest first."""
        answer: m.Page_AccountAnswer = await self._call(
            "GET",
            "/v1/accounts",
            {200: m.Page_AccountAnswer},
            query={"status": status, "limit": limit, "cursor": cursor},
        )
        return answer

    async def list_agent_questions(
        self, *, dataset: list[str], protocol: int, wait: float | None = None
    ) -> m.WaitingQuestions:
        """What is asked of one's datasets that stay with their owner; the answer is held until there is something.
        The agent opens the connection, as every client does: nothing has to reach it from outside."""
        answer: m.WaitingQuestions = await self._call(
            "GET",
            "/v1/agents/questions",
            {200: m.WaitingQuestions},
            query={"dataset": dataset, "protocol": protocol, "wait": wait},
        )
        return answer

    async def list_audit_entries(
        self,
        *,
        action: str | None = None,
        object: str | None = None,
        account_id: str | None = None,
        user_id: str | None = None,
        request_id: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> m.Page_AuditAnswer:
        """Every change, newest first: those by and to one's own organisation; all of them for an administrator."""
        answer: m.Page_AuditAnswer = await self._call(
            "GET",
            "/v1/audit",
            {200: m.Page_AuditAnswer},
            query={
                "action": action,
                "object": object,
                "account_id": account_id,
                "user_id": user_id,
                "request_id": request_id,
                "since": since,
                "until": until,
                "limit": limit,
                "cursor": cursor,
            },
        )
        return answer

    async def list_checkpoint_uploads(self, checkpoint_id: str) -> m.CheckpointUploads:
        """The uploads of one of one's own checkpoints that wait for more, newest first."""
        answer: m.CheckpointUploads = await self._call(
            "GET", f"/v1/checkpoints/{part(checkpoint_id)}/uploads", {200: m.CheckpointUploads}
        )
        return answer

    async def list_checkpoints(self, *, limit: int | None = None, cursor: str | None = None) -> m.Page_CheckpointAnswer:
        """One's own checkpoints, newest first."""
        answer: m.Page_CheckpointAnswer = await self._call(
            "GET", "/v1/checkpoints", {200: m.Page_CheckpointAnswer}, query={"limit": limit, "cursor": cursor}
        )
        return answer

    async def list_consents(self, valuation_id: str) -> m.JobConsents:
        """Whose consent a job of yours needs, and what they said."""
        answer: m.JobConsents = await self._call(
            "GET", f"/v1/valuations/{part(valuation_id)}/consents", {200: m.JobConsents}
        )
        return answer

    async def list_data_accesses(
        self, *, limit: int | None = None, cursor: str | None = None
    ) -> m.Page_DataAccessAnswer:
        """Who was given the rows of your datasets, by which job and when, newest first."""
        answer: m.Page_DataAccessAnswer = await self._call(
            "GET", "/v1/me/data-accesses", {200: m.Page_DataAccessAnswer}, query={"limit": limit, "cursor": cursor}
        )
        return answer

    async def list_data_links(self, valuation_id: str, dataset_id: str) -> m.DataLinks:
        """The links to a dataset of your job, those that ended among them, the newest first."""
        answer: m.DataLinks = await self._call(
            "GET", f"/v1/valuations/{part(valuation_id)}/data/{part(dataset_id)}/links", {200: m.DataLinks}
        )
        return answer

    async def list_dataset_versions(self, dataset_id: str) -> m.Versions:
        """The versions of one of one's own datasets, newest first."""
        answer: m.Versions = await self._call("GET", f"/v1/datasets/{part(dataset_id)}/versions", {200: m.Versions})
        return answer

    async def list_datasets(
        self,
        *,
        kind: m.DatasetKind | None = None,
        status: m.DatasetStatus | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> m.Page_DatasetAnswer:
        """One's own datasets, newest first."""
        answer: m.Page_DatasetAnswer = await self._call(
            "GET",
            "/v1/datasets",
            {200: m.Page_DatasetAnswer},
            query={"kind": kind, "status": status, "limit": limit, "cursor": cursor},
        )
        return answer

    async def list_direct_upload_parts(self, dataset_id: str, upload_id: str) -> m.DirectParts:
        """The parts that the store has not got yet, each with an address that takes its bytes by `PUT`: that many
        bytes, for that part, for a while. Ask again once they are sent, after a broken connection too."""
        answer: m.DirectParts = await self._call(
            "GET", f"/v1/datasets/{part(dataset_id)}/direct-uploads/{part(upload_id)}/parts", {200: m.DirectParts}
        )
        return answer

    async def list_direct_uploads(self, dataset_id: str) -> m.DirectUploads:
        """The direct uploads of one of one's own datasets that wait for more, newest first."""
        answer: m.DirectUploads = await self._call(
            "GET", f"/v1/datasets/{part(dataset_id)}/direct-uploads", {200: m.DirectUploads}
        )
        return answer

    async def list_disputes(self) -> m.DisputesAnswer:
        """Disputes that wait for a decision, oldest first."""
        answer: m.DisputesAnswer = await self._call("GET", "/v1/ledger/disputes", {200: m.DisputesAnswer})
        return answer

    async def list_events(
        self, valuation_id: str, *, after: int | None = None, limit: int | None = None, last_event_id: int | None = None
    ) -> m.Events | None:
        """What happened to a job, in order: as a list, or as a stream that ends with the job; 204 where a stream
        would have nothing more, ever."""
        answer: m.Events | None = await self._call(
            "GET",
            f"/v1/valuations/{part(valuation_id)}/events",
            {200: m.Events, 204: None},
            query={"after": after, "limit": limit},
            header={"last-event-id": last_event_id},
        )
        return answer

    async def list_explorations(
        self, *, limit: int | None = None, cursor: str | None = None
    ) -> m.Page_ExplorationSummary:
        """One's own explorations, newest first."""
        answer: m.Page_ExplorationSummary = await self._call(
            "GET", "/v1/explorations", {200: m.Page_ExplorationSummary}, query={"limit": limit, "cursor": cursor}
        )
        return answer

    async def list_failures(self, *, limit: int | None = None, cursor: str | None = None) -> m.Page_FailureAnswer:
        """Failed jobs, newest first, each with the last traceback of its work."""
        answer: m.Page_FailureAnswer = await self._call(
            "GET", "/v1/admin/failures", {200: m.Page_FailureAnswer}, query={"limit": limit, "cursor": cursor}
        )
        return answer

    async def list_keys(self, *, limit: int | None = None, cursor: str | None = None) -> m.Page_KeyAnswer:
        """One's own keys, revoked ones included, newest first."""
        answer: m.Page_KeyAnswer = await self._call(
            "GET", "/v1/keys", {200: m.Page_KeyAnswer}, query={"limit": limit, "cursor": cursor}
        )
        return answer

    async def list_months(self) -> m.MonthsAnswer:
        """Your money by month (UTC) and currency, newest first; its sums are those of the statement."""
        answer: m.MonthsAnswer = await self._call("GET", "/v1/me/months", {200: m.MonthsAnswer})
        return answer

    async def list_my_consents(
        self, *, status: list[m.ConsentStatus] | None = None, limit: int | None = None, cursor: str | None = None
    ) -> m.Page_ConsentAnswer:
        """The jobs that need or needed your consent, newest first."""
        answer: m.Page_ConsentAnswer = await self._call(
            "GET",
            "/v1/me/consents",
            {200: m.Page_ConsentAnswer},
            query={"status": status, "limit": limit, "cursor": cursor},
        )
        return answer

    async def list_my_valuations(self, *, limit: int | None = None, cursor: str | None = None) -> m.Page_MyValuation:
        """The jobs in which your data is valued: your own value, interval, share and amount, and nobody else's."""
        answer: m.Page_MyValuation = await self._call(
            "GET", "/v1/me/valuations", {200: m.Page_MyValuation}, query={"limit": limit, "cursor": cursor}
        )
        return answer

    async def list_own_sessions(self) -> m.OwnSessions:
        """The browsers in which the signed-in user is signed in, the latest sign-in first. A key has none: 403."""
        answer: m.OwnSessions = await self._call("GET", "/v1/me/sessions", {200: m.OwnSessions})
        return answer

    async def list_own_withdrawals(
        self, *, limit: int | None = None, cursor: str | None = None
    ) -> m.Page_WithdrawalAnswer:
        """One's own withdrawals, newest first, and what became of each."""
        answer: m.Page_WithdrawalAnswer = await self._call(
            "GET", "/v1/me/withdrawals", {200: m.Page_WithdrawalAnswer}, query={"limit": limit, "cursor": cursor}
        )
        return answer

    async def list_passkeys(self) -> m.Passkeys:
        """The signed-in user's passkeys, oldest first."""
        answer: m.Passkeys = await self._call("GET", "/v1/me/passkeys", {200: m.Passkeys})
        return answer

    async def list_queues(self) -> m.QueuesAnswer:
        """Jobs, shards and unsent messages that wait or are under way, by state, with the age of the oldest."""
        answer: m.QueuesAnswer = await self._call("GET", "/v1/admin/queues", {200: m.QueuesAnswer})
        return answer

    async def list_standing_orders(
        self, *, limit: int | None = None, cursor: str | None = None
    ) -> m.Page_StandingOrderAnswer:
        """Your standing orders, newest first."""
        answer: m.Page_StandingOrderAnswer = await self._call(
            "GET", "/v1/standing-orders", {200: m.Page_StandingOrderAnswer}, query={"limit": limit, "cursor": cursor}
        )
        return answer

    async def list_top_ups(self, valuation_id: str) -> m.Page_ValuationSummary:
        """The jobs that go on with this one, oldest first."""
        answer: m.Page_ValuationSummary = await self._call(
            "GET", f"/v1/valuations/{part(valuation_id)}/top-ups", {200: m.Page_ValuationSummary}
        )
        return answer

    async def list_unlearnings(self, checkpoint_id: str) -> m.Unlearnings:
        """What one of one's own checkpoints was made to forget, or is to forget, because it was withdrawn."""
        answer: m.Unlearnings = await self._call(
            "GET", f"/v1/checkpoints/{part(checkpoint_id)}/unlearnings", {200: m.Unlearnings}
        )
        return answer

    async def list_uploads(self, dataset_id: str) -> m.Uploads:
        """The uploads of one of one's own datasets that wait for more, newest first."""
        answer: m.Uploads = await self._call("GET", f"/v1/datasets/{part(dataset_id)}/uploads", {200: m.Uploads})
        return answer

    async def list_users(self, *, limit: int | None = None, cursor: str | None = None) -> m.Page_UserAnswer:
        """The people of one's own organisation, newest first."""
        answer: m.Page_UserAnswer = await self._call(
            "GET", "/v1/users", {200: m.Page_UserAnswer}, query={"limit": limit, "cursor": cursor}
        )
        return answer

    async def list_valuations(
        self, *, status: list[m.ValuationStatus] | None = None, limit: int | None = None, cursor: str | None = None
    ) -> m.Page_ValuationSummary:
        """One's own jobs, newest first."""
        answer: m.Page_ValuationSummary = await self._call(
            "GET",
            "/v1/valuations",
            {200: m.Page_ValuationSummary},
            query={"status": status, "limit": limit, "cursor": cursor},
        )
        return answer

    async def list_voids(self) -> m.VoidsAnswer:
        """Void payouts that their providers dispute and that wait for a decision, oldest first, 200 at most."""
        answer: m.VoidsAnswer = await self._call("GET", "/v1/ledger/voids", {200: m.VoidsAnswer})
        return answer

    async def list_wanted_ads(
        self, *, status: m.AdStatus | None = None, limit: int | None = None, cursor: str | None = None
    ) -> m.Page_WantedAdAnswer:
        """Your own ads; for a provider everybody's open ones. Newest first."""
        answer: m.Page_WantedAdAnswer = await self._call(
            "GET",
            "/v1/wanted-ads",
            {200: m.Page_WantedAdAnswer},
            query={"status": status, "limit": limit, "cursor": cursor},
        )
        return answer

    async def list_webhook_deliveries(
        self,
        webhook_id: str,
        *,
        status: m.DeliveryStatus | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> m.Page_DeliveryAnswer:
        """The log of an endpoint, newest first."""
        answer: m.Page_DeliveryAnswer = await self._call(
            "GET",
            f"/v1/webhooks/{part(webhook_id)}/deliveries",
            {200: m.Page_DeliveryAnswer},
            query={"status": status, "limit": limit, "cursor": cursor},
        )
        return answer

    async def list_webhooks(self, *, limit: int | None = None, cursor: str | None = None) -> m.Page_WebhookAnswer:
        """Your endpoints, newest first."""
        answer: m.Page_WebhookAnswer = await self._call(
            "GET", "/v1/webhooks", {200: m.Page_WebhookAnswer}, query={"limit": limit, "cursor": cursor}
        )
        return answer

    async def list_withdrawals(self) -> m.WithdrawalsAnswer:
        """Withdrawals that wait for a decision, oldest first."""
        answer: m.WithdrawalsAnswer = await self._call("GET", "/v1/ledger/withdrawals", {200: m.WithdrawalsAnswer})
        return answer

    async def list_workers(self) -> m.WorkersAnswer:
        """The worker processes: where they run, what they hold, their last heartbeat."""
        answer: m.WorkersAnswer = await self._call("GET", "/v1/admin/workers", {200: m.WorkersAnswer})
        return answer

    async def make_data_link(
        self,
        valuation_id: str,
        dataset_id: str,
        body: m.DataLinkBody | Mapping[str, Any],
        *,
        idempotency_key: str | None = None,
    ) -> m.DataLinkAnswer:
        """A link by which your own programs and people fetch the rows without a key, until it ends."""
        answer: m.DataLinkAnswer = await self._call(
            "POST",
            f"/v1/valuations/{part(valuation_id)}/data/{part(dataset_id)}/links",
            {201: m.DataLinkAnswer},
            header={"idempotency-key": idempotency_key},
            body=body,
        )
        return answer

    async def open_dispute(
        self, valuation_id: str, body: m.DisputeBody | Mapping[str, Any], *, idempotency_key: str | None = None
    ) -> m.DisputeAnswer:
        """Dispute what one's own job still holds back, while its window is open; an administrator decides."""
        answer: m.DisputeAnswer = await self._call(
            "POST",
            f"/v1/ledger/disputes/{part(valuation_id)}",
            {200: m.DisputeAnswer},
            header={"idempotency-key": idempotency_key},
            body=body,
        )
        return answer

    async def pause_dataset(self, dataset_id: str, *, idempotency_key: str | None = None) -> m.DatasetAnswer:
        """Take a dataset out of the catalogue until it is published again; jobs that have it go on."""
        answer: m.DatasetAnswer = await self._call(
            "POST",
            f"/v1/datasets/{part(dataset_id)}/pause",
            {200: m.DatasetAnswer},
            header={"idempotency-key": idempotency_key},
        )
        return answer

    async def pause_standing_order(self, order_id: str, *, idempotency_key: str | None = None) -> m.StandingOrderAnswer:
        """Post nothing until it is resumed; versions that come meanwhile count then."""
        answer: m.StandingOrderAnswer = await self._call(
            "POST",
            f"/v1/standing-orders/{part(order_id)}/pause",
            {200: m.StandingOrderAnswer},
            header={"idempotency-key": idempotency_key},
        )
        return answer

    async def ping_webhook(self, webhook_id: str, *, idempotency_key: str | None = None) -> m.DeliveryAnswer:
        """Send a `webhook.ping` to this endpoint once, whatever its filter; look at the delivery for what came
        back."""
        answer: m.DeliveryAnswer = await self._call(
            "POST",
            f"/v1/webhooks/{part(webhook_id)}/ping",
            {202: m.DeliveryAnswer},
            header={"idempotency-key": idempotency_key},
        )
        return answer

    async def post_wanted_ad(
        self, body: m.WantedAdBody | Mapping[str, Any], *, idempotency_key: str | None = None
    ) -> m.WantedAdAnswer:
        """Say what data you lack: providers see it, and those whose listing fits, now or later, are told."""
        answer: m.WantedAdAnswer = await self._call(
            "POST", "/v1/wanted-ads", {201: m.WantedAdAnswer}, header={"idempotency-key": idempotency_key}, body=body
        )
        return answer

    async def prove_ledger(self) -> m.ProofAnswer:
        """Check the whole ledger: every balance summed anew, every currency's sum zero, every hash in its chain."""
        answer: m.ProofAnswer = await self._call("GET", "/v1/ledger/proof", {200: m.ProofAnswer})
        return answer

    async def publish_dataset(
        self, dataset_id: str, body: m.PublishBody | Mapping[str, Any], *, idempotency_key: str | None = None
    ) -> m.DatasetAnswer:
        """Publish a dataset: it is in the catalogue from now on, and buyers may name it in jobs on these terms.
        Publishing again changes the terms for jobs to come."""
        answer: m.DatasetAnswer = await self._call(
            "POST",
            f"/v1/datasets/{part(dataset_id)}/publish",
            {200: m.DatasetAnswer},
            header={"idempotency-key": idempotency_key},
            body=body,
        )
        return answer

    async def put_agent_answer(self, question_id: str, content: Content) -> m.QuestionAnswer:
        """Answer a question: sums over the rows, never a row. The same answer may be sent again; another is
        refused."""
        answer: m.QuestionAnswer = await self._call(
            "PUT", f"/v1/agents/questions/{part(question_id)}/content", {200: m.QuestionAnswer}, content=content
        )
        return answer

    async def put_checkpoint_content(
        self, checkpoint_id: str, content: Content, *, sha256: str | None = None
    ) -> m.CheckpointAnswer:
        """Upload weights. A folder's are checked against its configuration now, others against the data when a job
        names the checkpoint."""
        answer: m.CheckpointAnswer = await self._call(
            "PUT",
            f"/v1/checkpoints/{part(checkpoint_id)}/content",
            {200: m.CheckpointAnswer},
            query={"sha256": sha256},
            content=content,
        )
        return answer

    async def put_dataset_content(
        self,
        dataset_id: str,
        content: Content,
        *,
        sha256: str | None = None,
        columns: list[str] | None = None,
        delimiter: str | None = None,
        encoding: str | None = None,
        sheet: str | None = None,
        read: list[str] | None = None,
    ) -> m.DatasetAnswer:
        """Upload the file: hashed, measured and validated, then stored whole or not at all. What the bytes do not
        say can be declared: `columns` of a table without a header line (once for each name, in order),
        `delimiter`, `encoding`, a workbook's `sheet`, how columns are read (`read`). Other bytes for a dataset
        that has some are its next version; jobs that were posted keep theirs. The same bytes may be sent again
        (nothing changes); a `Content-Digest: sha-256=:…:` header is checked if given."""
        answer: m.DatasetAnswer = await self._call(
            "PUT",
            f"/v1/datasets/{part(dataset_id)}/content",
            {200: m.DatasetAnswer},
            query={
                "sha256": sha256,
                "columns": columns,
                "delimiter": delimiter,
                "encoding": encoding,
                "sheet": sheet,
                "read": read,
            },
            content=content,
        )
        return answer

    async def quote_exploration(self, body: m.NewExploration | Mapping[str, Any]) -> m.ExplorationQuote:
        """What an exploration would compute, and what that costs at most: nothing is stored, no money is held."""
        answer: m.ExplorationQuote = await self._call(
            "POST", "/v1/explorations/quote", {200: m.ExplorationQuote}, body=body
        )
        return answer

    async def quote_top_up(self, valuation_id: str, body: m.TopUp | Mapping[str, Any]) -> m.TopUpQuote:
        """What a top-up would compute besides, and what that costs: no job is stored, no money is held."""
        answer: m.TopUpQuote = await self._call(
            "POST", f"/v1/valuations/{part(valuation_id)}/top-ups/quote", {200: m.TopUpQuote}, body=body
        )
        return answer

    async def quote_valuation(self, body: m.NewValuation | Mapping[str, Any]) -> m.Quote:
        """What the same order would take and cost if it were posted: no job is stored, no money is held. What it
        tells of copies counts against your budget for each dataset (429 when it is spent); the same question
        again costs nothing."""
        answer: m.Quote = await self._call("POST", "/v1/valuations/quote", {200: m.Quote}, body=body)
        return answer

    async def receive_provider_event(
        self, body: dict[str, Any] | Mapping[str, Any], *, stripe_signature: str | None = None
    ) -> m.ReceivedAnswer:
        """For a payment provider: a signed event, in Stripe's form, about a deposit or a payout. It counts once."""
        answer: m.ReceivedAnswer = await self._call(
            "POST",
            "/v1/ledger/provider-events",
            {200: m.ReceivedAnswer},
            header={"stripe-signature": stripe_signature},
            body=body,
        )
        return answer

    async def record_deposit(
        self, body: m.DepositBody | Mapping[str, Any], *, idempotency_key: str | None = None
    ) -> m.DepositAnswer:
        """Record money that has come in for a buyer, so that it can reserve pools. Telling it twice records it
        once."""
        answer: m.DepositAnswer = await self._call(
            "POST",
            "/v1/ledger/deposits",
            {201: m.DepositAnswer},
            header={"idempotency-key": idempotency_key},
            body=body,
        )
        return answer

    async def redeliver_webhook(
        self, webhook_id: str, delivery_id: str, *, idempotency_key: str | None = None
    ) -> m.DeliveryAnswer:
        """Send an event again now, delivered or not; a receiver knows it by its `webhook-id`."""
        answer: m.DeliveryAnswer = await self._call(
            "POST",
            f"/v1/webhooks/{part(webhook_id)}/deliveries/{part(delivery_id)}/redeliver",
            {202: m.DeliveryAnswer},
            header={"idempotency-key": idempotency_key},
        )
        return answer

    async def refuse_agent_question(
        self, question_id: str, body: m.RefusalBody | Mapping[str, Any]
    ) -> m.QuestionAnswer:
        """Do not answer a question: the job that asks ends without a result, and nobody is charged for it."""
        answer: m.QuestionAnswer = await self._call(
            "PUT", f"/v1/agents/questions/{part(question_id)}/refusal", {200: m.QuestionAnswer}, body=body
        )
        return answer

    async def refuse_valuation(
        self, valuation_id: str, body: m.ConsentBody | Mapping[str, Any], *, idempotency_key: str | None = None
    ) -> m.ConsentAnswer:
        """Keep your data out of the job, which is final; it ends, or goes on without it, as its order says."""
        answer: m.ConsentAnswer = await self._call(
            "POST",
            f"/v1/me/consents/{part(valuation_id)}/refuse",
            {200: m.ConsentAnswer},
            header={"idempotency-key": idempotency_key},
            body=body,
        )
        return answer

    async def register_passkey(self, body: m.NewPasskey | Mapping[str, Any]) -> m.PasskeyAnswer:
        """Keep a passkey that the browser has made."""
        answer: m.PasskeyAnswer = await self._call("POST", "/v1/me/passkeys", {201: m.PasskeyAnswer}, body=body)
        return answer

    async def reinstate_account(self, account_id: str, *, idempotency_key: str | None = None) -> m.AccountAnswer:
        """Lift a suspension."""
        answer: m.AccountAnswer = await self._call(
            "POST",
            f"/v1/admin/accounts/{part(account_id)}/reinstate",
            {200: m.AccountAnswer},
            header={"idempotency-key": idempotency_key},
        )
        return answer

    async def reject_withdrawal(self, withdrawal_id: str, *, idempotency_key: str | None = None) -> m.WithdrawalAnswer:
        """Give the money back to its owner's balance."""
        answer: m.WithdrawalAnswer = await self._call(
            "POST",
            f"/v1/ledger/withdrawals/{part(withdrawal_id)}/rejection",
            {200: m.WithdrawalAnswer},
            header={"idempotency-key": idempotency_key},
        )
        return answer

    async def release_holdback(self, valuation_id: str, *, idempotency_key: str | None = None) -> m.MovedAnswer:
        """Pay out what a job holds back, once its dispute window has ended."""
        answer: m.MovedAnswer = await self._call(
            "POST",
            f"/v1/ledger/holdbacks/{part(valuation_id)}/release",
            {200: m.MovedAnswer},
            header={"idempotency-key": idempotency_key},
        )
        return answer

    async def remove_identity_provider(self) -> None:
        """Sign one's people in by password and passkey alone again; those without a password are invited anew."""
        await self._call("DELETE", "/v1/identity-provider", {204: None})

    async def remove_passkey(self, passkey_id: str, body: m.PresentPassword | Mapping[str, Any]) -> None:
        """Sign in with it no longer."""
        await self._call("POST", f"/v1/me/passkeys/{part(passkey_id)}/remove", {204: None}, body=body)

    async def remove_second_factor(self, body: m.PasswordAndCode | Mapping[str, Any]) -> None:
        """Sign in without codes again; one's other sessions end."""
        await self._call("POST", "/v1/me/second-factor/remove", {204: None}, body=body)

    async def remove_user(self, user_id: str) -> None:
        """Remove somebody from one's own organisation: every session ends at once, the address is free again."""
        await self._call("DELETE", f"/v1/users/{part(user_id)}", {204: None})

    async def renew_recovery_codes(self, body: m.PasswordAndCode | Mapping[str, Any]) -> m.RecoveryCodes:
        """New recovery codes in the place of those that are left."""
        answer: m.RecoveryCodes = await self._call(
            "POST", "/v1/me/second-factor/recovery-codes", {200: m.RecoveryCodes}, body=body
        )
        return answer

    async def request_withdrawal(
        self, body: m.WithdrawalBody | Mapping[str, Any], *, idempotency_key: str | None = None
    ) -> m.WithdrawalAnswer:
        """Ask for one's payable money, or, as a buyer, for what is not spent; it is set aside until an
        administrator decides."""
        answer: m.WithdrawalAnswer = await self._call(
            "POST",
            "/v1/me/withdrawals",
            {201: m.WithdrawalAnswer},
            header={"idempotency-key": idempotency_key},
            body=body,
        )
        return answer

    async def requeue_valuation(self, valuation_id: str, *, idempotency_key: str | None = None) -> m.RequeuedAnswer:
        """Send a working job's waiting shards again, with all their attempts; repeat a failed job as a new one. A
        repeated job costs what the failed one did, whose pool went back; worths that were computed are not paid
        again."""
        answer: m.RequeuedAnswer = await self._call(
            "POST",
            f"/v1/admin/valuations/{part(valuation_id)}/requeue",
            {200: m.RequeuedAnswer},
            header={"idempotency-key": idempotency_key},
        )
        return answer

    async def resolve_dispute(
        self, valuation_id: str, body: m.ResolutionBody | Mapping[str, Any], *, idempotency_key: str | None = None
    ) -> m.MovedAnswer:
        """End a dispute: what is named goes back to the buyer, the rest is paid out."""
        answer: m.MovedAnswer = await self._call(
            "POST",
            f"/v1/ledger/disputes/{part(valuation_id)}/resolution",
            {200: m.MovedAnswer},
            header={"idempotency-key": idempotency_key},
            body=body,
        )
        return answer

    async def resume_standing_order(
        self, order_id: str, *, idempotency_key: str | None = None
    ) -> m.StandingOrderAnswer:
        """Go on."""
        answer: m.StandingOrderAnswer = await self._call(
            "POST",
            f"/v1/standing-orders/{part(order_id)}/resume",
            {200: m.StandingOrderAnswer},
            header={"idempotency-key": idempotency_key},
        )
        return answer

    async def reverse_deposit(
        self, transfer_id: str, body: m.ReversalBody | Mapping[str, Any], *, idempotency_key: str | None = None
    ) -> m.ReversalAnswer:
        """Take a mistaken deposit back out of its buyer's balance, with the reason; the deposit stays in the
        ledger."""
        answer: m.ReversalAnswer = await self._call(
            "POST",
            f"/v1/ledger/deposits/{part(transfer_id)}/reversal",
            {201: m.ReversalAnswer},
            header={"idempotency-key": idempotency_key},
            body=body,
        )
        return answer

    async def revoke_key(self, key_id: str) -> None:
        """Revoke a key of one's own at once, the one at hand included."""
        await self._call("DELETE", f"/v1/keys/{part(key_id)}", {204: None})

    async def rotate_key(
        self, key_id: str, body: m.RotationBody | Mapping[str, Any], *, idempotency_key: str | None = None
    ) -> m.CreatedKey:
        """Put a new key in the place of one's own; the present token works on for the overlap, then ends."""
        answer: m.CreatedKey = await self._call(
            "POST",
            f"/v1/keys/{part(key_id)}/rotate",
            {201: m.CreatedKey},
            header={"idempotency-key": idempotency_key},
            body=body,
        )
        return answer

    async def rotate_webhook_secret(
        self, webhook_id: str, body: m.RotateBody | Mapping[str, Any], *, idempotency_key: str | None = None
    ) -> m.WebhookWithSecret:
        """Make a new secret; until the overlap ends, every message carries a signature of each."""
        answer: m.WebhookWithSecret = await self._call(
            "POST",
            f"/v1/webhooks/{part(webhook_id)}/rotate",
            {200: m.WebhookWithSecret},
            header={"idempotency-key": idempotency_key},
            body=body,
        )
        return answer

    async def search_catalog(
        self,
        *,
        q: str | None = None,
        modality: m.Modality | None = None,
        format: m.DatasetFormat | None = None,
        licence: str | None = None,
        min_rows: int | None = None,
        max_rows: int | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> m.Page_Listing:
        """Published datasets, newest first. Words are looked for in names, descriptions and names of columns."""
        answer: m.Page_Listing = await self._call(
            "GET",
            "/v1/catalog",
            {200: m.Page_Listing},
            query={
                "q": q,
                "modality": modality,
                "format": format,
                "licence": licence,
                "min_rows": min_rows,
                "max_rows": max_rows,
                "limit": limit,
                "cursor": cursor,
            },
        )
        return answer

    async def search_everything(self, *, q: str) -> m.HitsAnswer:
        """Organisations, datasets and jobs by name or id, newest first, 20 of each at most."""
        answer: m.HitsAnswer = await self._call("GET", "/v1/admin/search", {200: m.HitsAnswer}, query={"q": q})
        return answer

    async def send_checkpoint_part(
        self, checkpoint_id: str, upload_id: str, content: Content, *, upload_offset: int
    ) -> None:
        """Send what follows the bytes that are here; what came before a connection broke stays. The last part is
        answered once the weights are read and checked: they are the checkpoint's then, as after `PUT
        …/content`."""
        await self._call(
            "PATCH",
            f"/v1/checkpoints/{part(checkpoint_id)}/uploads/{part(upload_id)}",
            {204: None},
            header={"Upload-Offset": upload_offset, "Content-Type": "application/offset+octet-stream"},
            content=content,
        )

    async def send_part(self, dataset_id: str, upload_id: str, content: Content, *, upload_offset: int) -> None:
        """Send what follows the bytes that are here; what came before a connection broke stays. The last part is
        answered once the file is read and checked: it is the dataset's content then, as after `PUT …/content`.
        """
        await self._call(
            "PATCH",
            f"/v1/datasets/{part(dataset_id)}/uploads/{part(upload_id)}",
            {204: None},
            header={"Upload-Offset": upload_offset, "Content-Type": "application/offset+octet-stream"},
            content=content,
        )

    async def set_billing(self, body: m.BillingBody | Mapping[str, Any]) -> m.BillingAnswer:
        """Say whom your documents are made out to, and what VAT your amounts contain."""
        answer: m.BillingAnswer = await self._call("PUT", "/v1/me/billing", {200: m.BillingAnswer}, body=body)
        return answer

    async def set_identity_provider(self, body: m.IdentityProviderBody | Mapping[str, Any]) -> m.IdentityProviderAnswer:
        """Name one's organisation's provider (OpenID Connect), which is asked for its discovery document at once
        (503 where it does not answer)."""
        answer: m.IdentityProviderAnswer = await self._call(
            "PUT", "/v1/identity-provider", {200: m.IdentityProviderAnswer}, body=body
        )
        return answer

    async def set_pseudonym(self, body: m.Pseudonym | Mapping[str, Any]) -> m.Pseudonym:
        """Be shown to providers under a pseudonym, another to each of them, or under your name again; for buyers.
        It is the same in every job, those of before included."""
        answer: m.Pseudonym = await self._call("PUT", "/v1/me/pseudonym", {200: m.Pseudonym}, body=body)
        return answer

    async def set_sign_in_policy(self, body: m.SignInPolicy | Mapping[str, Any]) -> m.SignInPolicy:
        """Demand second factors of one's people, or no longer. A session that a password alone began is then good
        for setting one up, and for nothing else (403, `second_factor_required`)."""
        answer: m.SignInPolicy = await self._call("PUT", "/v1/sign-in-policy", {200: m.SignInPolicy}, body=body)
        return answer

    async def suspend_account(
        self, account_id: str, body: m.SuspensionBody | Mapping[str, Any], *, idempotency_key: str | None = None
    ) -> m.AccountAnswer:
        """Refuse an organisation's keys and users from now on, telling them why. Jobs under way go on."""
        answer: m.AccountAnswer = await self._call(
            "POST",
            f"/v1/admin/accounts/{part(account_id)}/suspend",
            {200: m.AccountAnswer},
            header={"idempotency-key": idempotency_key},
            body=body,
        )
        return answer

    async def take_back_data_link(self, valuation_id: str, dataset_id: str, link_id: str) -> m.DataLinkAnswer:
        """End a link at once."""
        answer: m.DataLinkAnswer = await self._call(
            "DELETE",
            f"/v1/valuations/{part(valuation_id)}/data/{part(dataset_id)}/links/{part(link_id)}",
            {200: m.DataLinkAnswer},
        )
        return answer

    async def take_listing_down(
        self, dataset_id: str, body: m.TakeDownBody | Mapping[str, Any], *, idempotency_key: str | None = None
    ) -> m.DatasetAnswer:
        """Take one listing out of the catalogue, with a reason that its provider is told; jobs that have it go on."""
        answer: m.DatasetAnswer = await self._call(
            "POST",
            f"/v1/admin/datasets/{part(dataset_id)}/take-down",
            {200: m.DatasetAnswer},
            header={"idempotency-key": idempotency_key},
            body=body,
        )
        return answer

    async def top_up_valuation(
        self, valuation_id: str, body: m.TopUp | Mapping[str, Any], *, idempotency_key: str | None = None
    ) -> m.ValuationAnswer:
        """Go on with a job that has ended: a new job with larger budgets on the worths that are stored. You pay
        the device time of what is computed besides; it divides no pool. Its values are those of one job with
        the larger budget."""
        answer: m.ValuationAnswer = await self._call(
            "POST",
            f"/v1/valuations/{part(valuation_id)}/top-ups",
            {202: m.ValuationAnswer},
            header={"idempotency-key": idempotency_key},
            body=body,
        )
        return answer

    async def trace_copy(self, dataset_id: str, content: Content) -> m.TraceAnswer:
        """Whose copy of one of your datasets a file is, by the order of its rows; nothing of the file is kept."""
        answer: m.TraceAnswer = await self._call(
            "POST", f"/v1/datasets/{part(dataset_id)}/trace", {200: m.TraceAnswer}, content=content
        )
        return answer

    async def withdraw_dataset(self, dataset_id: str, *, idempotency_key: str | None = None) -> m.DatasetAnswer:
        """Withdraw a dataset: no new job can use it. Jobs that already have it keep their record."""
        answer: m.DatasetAnswer = await self._call(
            "POST",
            f"/v1/datasets/{part(dataset_id)}/withdraw",
            {200: m.DatasetAnswer},
            header={"idempotency-key": idempotency_key},
        )
        return answer
