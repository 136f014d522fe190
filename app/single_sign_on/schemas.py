"""What HTTP sees of an organisation's identity provider. Its client's secret goes in and never comes out."""

from typing import Annotated

from pydantic import Field

from app.http.schemas import Answer, Body, example
from app.single_sign_on.tables import Admits

_ISSUER = "https://login.harbour.example"


class IdentityProviderBody(Body):
    """An OpenID Connect provider and this service's client there; without `client_secret` the present one stays."""

    model_config = example(
        issuer=_ISSUER,
        client_id="cherish",
        client_secret="a secret of the provider's",  # noqa: S106  an example
        domains=["harbour.example"],
        admits="invited",
        required=False,
    )

    issuer: Annotated[str, Field(min_length=8, max_length=500)]
    client_id: Annotated[str, Field(min_length=1, max_length=255)]
    client_secret: Annotated[str, Field(min_length=1, max_length=1000)] | None = None
    domains: Annotated[list[str], Field(default_factory=list, max_length=50)]
    admits: Admits = Admits.INVITED
    required: bool | None = Field(
        default=None,
        description="Whether your people may sign in through it alone: neither passwords nor passkeys are taken then, "
        "and sessions that they began end at once. Null leaves it as it is, at first false.",
    )


class IdentityProviderAnswer(Answer):
    """An organisation's provider; `return_url` is to be registered there, and `sign_out_url` where it can sign people
    out (back-channel logout)."""

    model_config = example(
        issuer=_ISSUER,
        client_id="cherish",
        domains=["harbour.example"],
        admits="invited",
        return_url="https://cherish.example/sso/return",
        required=False,
        sign_out_url="https://cherish.example/sso/sign-out/acc_0192f6d03f1a7c4e8b2a5d9c1e0f7a34",
    )

    issuer: str
    client_id: str
    domains: list[str]
    admits: Admits
    return_url: str
    required: bool
    sign_out_url: str
