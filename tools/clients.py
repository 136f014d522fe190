"""Clients generated from docs/openapi.json: each is made, compiled, and two of them drive a job on a whole stack.

``tools/clients.py``          everything, in minutes; it needs pip, npm, node, and Java 11 for two of them
``tools/clients.py --quick``  the linters, and the Python client of openapi-python-client with its job

What is installed goes into ``--home`` (``.clients``), where it stays. Exit code 1 names what failed.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from app.accounts import service
from app.db.session import make_engine, make_session_factory, transaction
from app.embedded.stack import EmbeddedStack
from app.identity import Role
from app.payouts import service as payouts
from app.settings import Settings

SPEC, HERE = ROOT / "docs" / "openapi.json", Path(__file__).parent / "clients"
_STRICT = {
    "strict": True,
    "noEmit": True,
    "skipLibCheck": True,
    "target": "es2022",
    "module": "esnext",
    "moduleResolution": "bundler",
    "lib": ["es2023", "dom", "dom.iterable"],
    "types": [],
}
Step = Callable[[Path, dict[str, str]], None]


def say(words: str) -> None:
    sys.stdout.write(words)
    sys.stdout.flush()


def run(*words: str | Path, cwd: Path, env: dict[str, str] | None = None) -> None:
    """A program, which has to end well; its own words are shown where it does not."""
    done = subprocess.run(list(map(str, words)), cwd=cwd, env=os.environ | (env or {}), capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, words))}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
    if env is not None:
        say(done.stdout)


def installed(home: Path) -> None:
    """The linters and generators at the versions of this folder; again only where these changed."""
    home.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "requirements.txt"):
        kept, wanted = home / name, HERE / name
        if kept.exists() and kept.read_bytes() == wanted.read_bytes():
            continue
        if name == "package.json":
            shutil.copy(wanted, kept)
            run("npm", "install", "--no-audit", "--no-fund", "--silent", cwd=home)
        else:
            run(sys.executable, "-m", "venv", "venv", cwd=home)
            run(home / "venv/bin/pip", "install", "--quiet", "-r", wanted, cwd=home)
            shutil.copy(wanted, kept)


def lint(home: Path, _env: dict[str, str]) -> None:
    """No error by redocly's and spectral's own recommended rules."""
    run("npx", "redocly", "lint", SPEC, "--max-problems", "20", cwd=home)
    run("npx", "spectral", "lint", SPEC, "--ruleset", HERE / "spectral.yaml", "--fail-severity", "error", cwd=home)


def python_client(home: Path, env: dict[str, str]) -> None:
    """openapi-python-client, and its job."""
    shutil.rmtree(home / "python", ignore_errors=True)
    bin_ = home / "venv/bin"
    generate = [bin_ / "openapi-python-client", "generate", "--path", SPEC, "--output-path", home / "python"]
    run(*generate, "--meta", "none", "--overwrite", cwd=home)
    package = home / "modules" / "cherish_client"
    shutil.rmtree(package, ignore_errors=True)
    shutil.copytree(home / "python", package)
    run(bin_ / "python", "-m", "compileall", "-q", package, cwd=home)
    run(bin_ / "python", HERE / "drive.py", cwd=home, env=env | {"PYTHONPATH": str(package.parent)})


def typescript_client(home: Path, env: dict[str, str]) -> None:
    """@hey-api/openapi-ts, compiled strictly with a program that uses it, and its job."""
    work = home / "typescript"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    for name in ("drive.mts", "tsconfig.json"):
        shutil.copy(HERE / name, work)
    config = (HERE / "openapi-ts.config.mjs").read_text().replace("../../docs/openapi.json", str(SPEC))
    (work / "openapi-ts.config.mjs").write_text(config)
    (work / "package.json").write_text('{"private": true, "type": "module"}')
    run("npx", "openapi-ts", "-f", "openapi-ts.config.mjs", cwd=work)
    run("npx", "tsc", "-p", ".", cwd=work)
    run("node", "out/drive.mjs", cwd=work, env=env)


def of_openapi_generator(language: str) -> Step:
    """openapi-generator's client in a language, compiled."""

    def step(home: Path, _env: dict[str, str]) -> None:
        out = home / f"generator-{language}"
        shutil.rmtree(out, ignore_errors=True)
        generator = home / "venv/bin/openapi-generator-cli"
        run(generator, "generate", "-i", SPEC, "-g", language, "-o", out, cwd=home)
        if language == "python":
            run(home / "venv/bin/python", "-m", "compileall", "-q", out / "openapi_client", cwd=home)
        else:
            # a command line cannot say that no types are taken from outside
            (out / "tsconfig.json").write_text(json.dumps({"compilerOptions": _STRICT, "files": ["index.ts"]}))
            run("npx", "tsc", "-p", out, cwd=home)

    return step


@contextmanager
def a_stack() -> Iterator[dict[str, str]]:
    """A whole service for the jobs: its address and keys, as the drivers read them."""
    stack = EmbeddedStack(Path(tempfile.gettempdir()) / f"cherish-clients-{uuid.uuid4().hex[:8]}", workers=1)
    try:
        stack.start()
        settings = Settings.from_variables(stack.settings_env())
        engine = make_engine(settings.database_url.get_secret_value(), pool_size=1)
        keys = {}
        with transaction(make_session_factory(engine)) as session:
            roles = {"BUYER": Role.BUYER, "PROVIDER": Role.PROVIDER, "SECOND": Role.PROVIDER}
            for name, role in roles.items():
                account = service.create_account(session, name, role)
                keys[f"CHERISH_{name}"] = service.issue_key(session, settings, account, "driver")[1]
                if role is Role.BUYER:
                    payouts.deposit(session, account.id, 1000_00, "EUR", "to begin with")
        engine.dispose()
        yield keys | {"CHERISH_API": stack.api_url}
    finally:
        stack.destroy()


STEPS: dict[str, Step] = {
    "redocly and spectral": lint,
    "openapi-python-client": python_client,
    "@hey-api/openapi-ts": typescript_client,
    "openapi-generator python": of_openapi_generator("python"),
    "openapi-generator typescript-fetch": of_openapi_generator("typescript-fetch"),
}
QUICK = ("redocly and spectral", "openapi-python-client")


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--quick", action="store_true")
    asked.add_argument("--only", choices=STEPS, action="append", help="may be repeated")
    asked.add_argument("--home", type=Path, default=ROOT / ".clients")
    options = asked.parse_args()
    home, failed = options.home.resolve(), []
    installed(home)
    with a_stack() as env:
        for name in options.only or (QUICK if options.quick else STEPS):
            try:
                STEPS[name](home, env)
                say(f"{name}: good\n")
            except SystemExit as why:
                failed.append(name)
                say(f"{name}: FAILED\n{why}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
