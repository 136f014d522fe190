"""``cherish agent``: a table, or documents, that stay on this machine, registered at a service and answered for.

It opens connections to the service and accepts none. The compute side, which needs torch, is loaded when it serves.
"""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from app.errors import InvalidInput

_Api = Annotated[str, typer.Option(envvar="CHERISH_API", help="The service's address.")]
_Key = Annotated[str, typer.Option(envvar="CHERISH_API_KEY", help="A provider's API key.", show_default=False)]


def register(app: typer.Typer) -> None:
    app.command("agent")(agent)


def agent(
    table: Annotated[
        Path,
        typer.Argument(
            help="The table, CSV or Parquet, or documents: a folder of text files, or a file with a column text. It is "
            "read here and sent nowhere."
        ),
    ],
    key: _Key,
    target: Annotated[str, typer.Option(help="The column to predict; none of documents.")] = "",
    base: Annotated[
        list[Path] | None,
        typer.Option(help="Of documents: the folder of a base model that they may be trained on; may be repeated."),
    ] = None,
    policy: Annotated[Path | None, typer.Option(help="What you allow, a TOML file; see docs/agents.md.")] = None,
    folder: Annotated[
        Path, typer.Option(help="Where the agent keeps its secret, its memory and the journal of what left.")
    ] = Path(".cherish/agent"),
    name: Annotated[str | None, typer.Option(help="The dataset's name; by default the file's.")] = None,
    licence: Annotated[str, typer.Option(help="The SPDX licence it is published under.")] = "LicenseRef-valuation-only",
    purpose: Annotated[
        list[str] | None, typer.Option(help="What it may be used for, under the licence; may be repeated.")
    ] = None,
    api: _Api = "http://127.0.0.1:8000",
) -> None:
    """Answer jobs for data that stays here, with sums over a table's rows or adapters of documents."""
    from agent import policy as policies
    from agent import serve
    from agent.desk import Desk
    from agent.errors import AgentError
    from agent.state import Folder
    from agent.text_desk import TextDesk

    console = Console(soft_wrap=True, highlight=False)
    try:
        allowed = policies.read(policy)
        if bool(target) == bool(base):
            raise InvalidInput("name the column to predict (--target), or the base models of documents (--base)")
        kept = Folder(folder)
        desk = TextDesk.of_documents(table, base, allowed, kept) if base else Desk.open(table, target, allowed, kept)
        terms = {"spdx": licence, "purposes": purpose or None}
        with serve.connect(api, key, desk) as client:
            called = name or table.stem
            serve.waited_out(lambda: serve.register(client, desk, called, terms, console.print), console.print)
            console.print(f"What leaves is written down in {folder / 'journal'}. Ctrl-C ends the agent.")
            serve.Server(client, desk, console.print).run()
    except AgentError as error:
        raise InvalidInput(str(error)) from None
    except KeyboardInterrupt:
        console.print("The agent has ended; jobs that need it wait.")
