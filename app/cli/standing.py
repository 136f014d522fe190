"""``cherish standing`` and ``cherish wanted``: jobs that repeat on new versions, and what buyers look for."""

import sys
from typing import Annotated

import typer

from cherish.client import Client
from cherish.models import StandingOrderAnswer, WantedAdAnswer

_Api = Annotated[str, typer.Option(envvar="CHERISH_API", help="The service's address.")]
_Key = Annotated[str, typer.Option(envvar="CHERISH_API_KEY", help="An API key.", show_default=False)]
_URL = "http://127.0.0.1:8000"

standing = typer.Typer(help="Jobs that repeat on new versions: create, list, pause, cancel.", no_args_is_help=True)
wanted = typer.Typer(help="What buyers look for: post, list, close.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(standing, name="standing")
    app.add_typer(wanted, name="wanted")


@standing.command("create")
def create(
    valuation_id: str,
    cap: Annotated[str, typer.Option(help="What pools come to in a month at most, in the job's currency.")],
    key: _Key,
    name: Annotated[str, typer.Option(help="What it is called.")] = "standing order",
    api: _Api = _URL,
) -> None:
    """Repeat a job whenever one of its datasets has a new version."""
    with Client(api, key) as client:
        _tell(client.api.create_standing_order({"valuation_id": valuation_id, "monthly_cap": cap, "name": name}))


@standing.command("list")
def list_orders(key: _Key, api: _Api = _URL) -> None:
    """List your standing orders, newest first."""
    with Client(api, key) as client:
        for order in client.api.list_standing_orders(limit=200).items:
            _tell(order)


@standing.command("pause")
def pause(order_id: str, key: _Key, api: _Api = _URL) -> None:
    """Post nothing until it is resumed."""
    with Client(api, key) as client:
        _tell(client.api.pause_standing_order(order_id))


@standing.command("resume")
def resume(order_id: str, key: _Key, api: _Api = _URL) -> None:
    """Go on; versions that came meanwhile count."""
    with Client(api, key) as client:
        _tell(client.api.resume_standing_order(order_id))


@standing.command("cancel")
def cancel(order_id: str, key: _Key, api: _Api = _URL) -> None:
    """End it for good."""
    with Client(api, key) as client:
        _tell(client.api.cancel_standing_order(order_id))


@wanted.command("post")
def post(
    title: str,
    key: _Key,
    words: Annotated[str | None, typer.Option(help="As in the catalogue's search.")] = None,
    modality: Annotated[str | None, typer.Option(help="tabular, array, text or image.")] = None,
    target: Annotated[str | None, typer.Option(help="The column to predict.")] = None,
    min_rows: Annotated[int | None, typer.Option(help="Rows at least.")] = None,
    price: Annotated[str | None, typer.Option(help="What a job with such data is worth to you, in EUR.")] = None,
    description: Annotated[str, typer.Option(help="More words.")] = "",
    api: _Api = _URL,
) -> None:
    """Say what data you lack; providers whose listing fits are told."""
    body = {"title": title, "description": description, "words": words, "modality": modality, "target": target}
    with Client(api, key) as client:
        _show(client.api.post_wanted_ad(body | {"min_rows": min_rows, "price": price}))


@wanted.command("list")
def list_ads(key: _Key, api: _Api = _URL) -> None:
    """List your ads; as a provider, everybody's open ones."""
    with Client(api, key) as client:
        for ad in client.api.list_wanted_ads(limit=200).items:
            _show(ad)


@wanted.command("close")
def close(ad_id: str, key: _Key, api: _Api = _URL) -> None:
    """Take an ad down."""
    with Client(api, key) as client:
        _show(client.api.close_wanted_ad(ad_id))


def _tell(order: StandingOrderAnswer) -> None:
    spent = f"{order.spent_this_month} of {order.monthly_cap} {order.currency} this month"
    why = f"\t{order.problem}" if order.problem else ""
    sys.stdout.write(f"{order.id}\t{order.status}\t{order.name}\t{len(order.jobs)} jobs\t{spent}{why}\n")


def _show(ad: WantedAdAnswer) -> None:
    worth = f"{ad.price} {ad.currency}" if ad.price else "no price"
    sys.stdout.write(f"{ad.id}\t{ad.status}\t{ad.buyer}\t{ad.title}\t{worth}\t{len(ad.matches)} listings fit\n")
