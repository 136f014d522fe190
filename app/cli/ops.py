"""Running Cherish: ``up`` (everything here, in the foreground), ``serve``, ``work``, ``migrate``.

Only wiring: what is started lives in app.embedded, app.main and worker.
"""

import os
import signal
import socket
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer
import uvicorn
from rich.console import Console
from rich.table import Table

from app import logs
from app.accounts import repository, service
from app.cli import place
from app.cli.demonstration.demo import run_market, show
from app.cli.demonstration.people import new_buyer
from app.db import roles
from app.db.limits import Process
from app.db.migrate import current_revision, upgrade
from app.db.session import make_session_factory, open_engine, transaction
from app.embedded import credentials
from app.embedded.stack import EmbeddedStack
from app.identity import Role
from app.settings import Settings, get_settings

_USUAL_PORT = 8000


def register(app: typer.Typer) -> None:
    for command in (up, serve, work, migrate):
        app.command()(command)


def up(
    workers: Annotated[int, typer.Option(min=0, help="Worker processes on this machine.")] = 2,
    servers: Annotated[int, typer.Option(min=1, help="API processes; one uses one core at most.")] = 1,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 8000, or a free one where that is taken.")
    ] = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="Also run the demonstration's market once; its job is on the first page.")
    ] = False,
) -> None:
    """Start everything on this machine, in the foreground; Ctrl-C ends it."""
    console = Console()
    home = place.home()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # nohup leaves SIGHUP ignored, and means it; a shell's `&` does the same to SIGINT, without meaning it
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    buyer = new_buyer() if demo else None
    stack = EmbeddedStack(
        home,
        workers=workers,
        servers=servers,
        port=_usual_or_free() if port is None else port,
        # people wait for the API; nobody waits for one worth
        env={"CHERISH_WORKER_NICE": os.environ.get("CHERISH_WORKER_NICE", "10")}
        | ({"CHERISH_SHOWN_BUYER": buyer} if buyer else {}),
        say=lambda line: console.print(line, style="dim", markup=False, highlight=False, soft_wrap=True),
    )
    try:
        with stack:
            _greet(console, stack, _first_keys(home, stack))
            if buyer is not None:
                show(run_market(stack, buyer, console), console)
            signal.pause()
    except KeyboardInterrupt:
        pass
    console.print("ended", style="dim")


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    # one more of them must not cut the orderly end short
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _usual_or_free() -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", _USUAL_PORT))
        except OSError:
            return 0
    return _USUAL_PORT


_KEYS = "keys.json"


def _first_keys(home: Path, stack: EmbeddedStack) -> dict[str, str]:
    """One account of each role with a key, made when the database has no account; kept in ``keys.json`` (0600)."""
    path = home / _KEYS
    settings = Settings.from_variables(stack.settings_env())
    engine = open_engine(settings, Process.OPERATOR, pool_size=1)
    try:
        with transaction(make_session_factory(engine)) as session:
            if repository.all_keys(session):
                return {name: str(token) for name, token in (credentials.read_private(path) or {}).items()}
            tokens = {}
            for role in (Role.ADMIN, Role.BUYER, Role.PROVIDER):
                account = service.create_account(session, role.value, role)
                _, tokens[role.value] = service.issue_key(session, settings, account, "first")
            # before the commit: a key that is in the database and nowhere else would be lost
            credentials.write_private(path, tokens)
        return tokens
    finally:
        engine.dispose()


def _greet(console: Console, stack: EmbeddedStack, keys: dict[str, str]) -> None:
    table = Table.grid(padding=(0, 2))
    table.add_row("API", f"{stack.api_url}/v1")
    table.add_row("documentation", f"{stack.api_url}/docs")
    table.add_row("logs", str(stack.home / "logs"))
    for name, token in keys.items() if console.is_terminal else ():
        table.add_row(f"key of `{name}`", token)
    if not console.is_terminal:
        # what is no terminal is a log, and logs are kept and read by others
        table.add_row("keys", str(stack.home / _KEYS))
    console.print(table, soft_wrap=True, highlight=False)
    console.print("ready; Ctrl-C ends it", style="bold")


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535)] = _USUAL_PORT,
    workers: Annotated[int, typer.Option(min=1, help="Server processes.")] = 1,
    fd: Annotated[int | None, typer.Option(help="Serve on this open socket instead (used by `up`).")] = None,
) -> None:
    """Run the API only; settings come from CHERISH_* variables."""
    settings = get_settings()
    logs.configure_logging(settings.log_level, as_json=settings.log_json)
    options: dict[str, Any] = {
        # by name, so that each server process makes its own
        "app": "app.asgi:application",
        "factory": True,
        "log_config": None,
        "access_log": False,
        "server_header": False,
        # the server's own default believes whatever runs on this machine
        "proxy_headers": bool(settings.trusted_proxies),
        "forwarded_allow_ips": settings.trusted_proxies,
        "timeout_graceful_shutdown": settings.shutdown_seconds,
        # longer than clients and proxies keep an idle connection: were we to close it, a request that is on its way
        # meanwhile would be lost
        "timeout_keep_alive": 75,
    }
    if fd is not None:
        uvicorn.Server(uvicorn.Config(**options)).run(sockets=[socket.socket(fileno=fd)])
    else:
        uvicorn.run(host=host, port=port, workers=workers, **options)


def work(queue: Annotated[str, typer.Argument(help="cpu or gpu")] = "cpu") -> None:
    """Run one worker (one device); settings come from CHERISH_* variables."""
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "worker", queue])  # noqa: S606  the worker's own program


def migrate() -> None:
    """Bring the database's schema to the newest revision; while a table is in use, nobody waits behind it for long."""
    settings = place.operator_settings()
    engine = open_engine(settings, Process.MIGRATION, pool_size=1)
    before = current_revision(engine)
    upgrade(engine, say=lambda line: Console(stderr=True).print(line, soft_wrap=True))
    after = current_revision(engine)
    passwords = roles.passwords(settings)
    roles.grant(engine, passwords)
    engine.dispose()
    if passwords:
        Console().print(f"rights given to the database roles of: {', '.join(passwords)}")
    Console().print(f"schema {after} (was {before})" if before != after else f"schema {after}, nothing to do")
