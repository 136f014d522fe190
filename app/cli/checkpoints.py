"""``cherish checkpoints``: a buyer's models, over HTTP alone. Large files go in parts, and can be resumed."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli.answers import ListedCheckpoint
from app.cli.market import URL, ApiOption, KeyOption, say
from app.cli.output import waiting
from app.errors import InvalidInput
from cherish.client import Client

checkpoints = typer.Typer(help="Your models: push a file of weights, resume a broken upload.", no_args_is_help=True)

_File = Annotated[Path, typer.Argument(help="A safetensors file, or the zip of a model folder.")]


def register(app: typer.Typer) -> None:
    app.add_typer(checkpoints, name="checkpoints")


@checkpoints.command("push")
def push(
    file: _File,
    key: KeyOption,
    name: Annotated[str, typer.Option(help="What the checkpoint is called.")],
    architecture: Annotated[str, typer.Option(help="Such as mlp, lm, encoder.")],
    hyper: Annotated[list[str] | None, typer.Option(help="A hyper-parameter, NAME=NUMBER; may be repeated.")] = None,
    base: Annotated[str | None, typer.Option(help="The checkpoint (ck_…) that it stands on.")] = None,
    api: ApiOption = URL,
) -> None:
    """Create a checkpoint and upload its weights; after a broken connection, resume goes on where it stopped."""
    _check_there(file)
    said = {"name": name, "architecture": architecture, "hyper": dict(map(_number, hyper or [])), "base": base}
    with Client(api, key) as client:
        made = ListedCheckpoint.read(client.post("/v1/checkpoints", said))
        # said before the bytes go: whoever resumes needs it
        typer.echo(f"checkpoint {made.id}", err=True)
        _upload(client, made.id, file, in_parts=None)


@checkpoints.command("resume")
def resume(
    checkpoint_id: Annotated[str, typer.Argument(help="The checkpoint whose weights they are, as push named it.")],
    file: _File,
    key: KeyOption,
    api: ApiOption = URL,
) -> None:
    """Upload weights in parts; run it again after a broken connection, and it goes on where it stopped."""
    _check_there(file)
    with Client(api, key) as client:
        _upload(client, checkpoint_id, file, in_parts=True)


def _upload(client: Client, checkpoint_id: str, file: Path, *, in_parts: bool | None) -> None:
    with waiting("Uploading ...") as status:
        body = client.upload_weights(
            checkpoint_id,
            file,
            in_parts=in_parts,
            on_progress=lambda sent, total: status.update(f"Uploading: {100 * sent / max(total, 1):.0f} %"),
        )
    stored = ListedCheckpoint.read(body)
    say(f"{stored.id}\t{stored.architecture}\t{stored.size_bytes} bytes")


def _check_there(file: Path) -> None:
    if not file.is_file():
        raise InvalidInput(f"{file}: there is no such file; check the path")


def _number(pair: str) -> tuple[str, float]:
    name, _, value = pair.partition("=")
    try:
        return name, float(value)
    except ValueError:
        raise InvalidInput(f"--hyper {pair}: this is no NAME=NUMBER; write hidden=64, say") from None
