"""``cherish valuations explore``: which datasets to buy, what one more changes, what asking costs; over HTTP alone."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from app.cli.answers import ExplorationPrice, ExploredAnswer
from app.cli.market import URL, ApiOption, KeyOption, as_object, say, valuations
from app.cli.output import waiting
from app.cli.tables import print_table
from app.cli.valuing.formats import percent
from app.errors import InvalidInput
from cherish.client import Client


def register() -> None:
    """Add the command to those of valuations."""
    valuations.command("explore")(explore)


def explore(
    question: Annotated[Path, typer.Argument(help="The question as JSON, as POST /v1/explorations takes it.")],
    key: KeyOption,
    as_json: Annotated[bool, typer.Option("--json", help="The whole answer as JSON.")] = False,
    quote: Annotated[bool, typer.Option("--quote", help="Only what it would cost at most.")] = False,
    api: ApiOption = URL,
) -> None:
    """Rank datasets before you buy: which few of them reach how much of the gain. Coarse, and not audited."""
    body = as_object(question)
    if quote:
        with Client(api, key) as client, waiting("Asking ..."):
            answer = client.quote_exploration(**body)
        price = ExplorationPrice.read(answer)
        words = f"{price.compute} {price.currency} at most\t{price.device_seconds:g} device seconds"
        say(json.dumps(answer, indent=2) if as_json else "\n".join([words, *price.notes]))
        return
    with Client(api, key) as client, waiting("Exploring ..."):
        posted = ExploredAnswer.read(client.explore(**body))
        answer = client.wait_exploration(posted.id)
    if as_json:
        say(json.dumps(answer, indent=2))
        return
    explored = ExploredAnswer.read(answer)
    if explored.status != "succeeded":
        raise InvalidInput(explored.error or f"the exploration is {explored.status}")
    if explored.difference is not None:
        say(explored.difference.sentence)
    rows = []
    for line in explored.ranked:
        between = "" if line.low is None else f"{percent(line.low)} and {percent(line.high)}"
        cells = (str(line.rank or ""), line.name, line.provider, str(line.rows), percent(line.share), between)
        rows.append((*cells, line.price or ""))
    if rows:
        headings = ("rank", "dataset", "provider", "rows", "share", "between", "price")
        print_table(Console(), headings, rows, names=("dataset", "provider"))
    for sentence in (*explored.sets, *explored.additions):
        say(sentence.sentence)
    for note in explored.notes:
        say(note)
