"""A release's files, made from what is committed: wheels and sources of both distributions, the TypeScript client, the
bill of materials, the API's document, and the SHA-256 of each.

``tools/release.py [--out dist]``   needs pip, git, npm and node; ``--without-typescript`` where there is no npm
"""

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tools.clients import HERE, installed, run

# the two distributions, by their folders
DISTRIBUTIONS = (".", "cherish")
_SDIST = "import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])"
_README = """# cherish-client

The Cherish market from TypeScript: every operation of its HTTP API, typed. Made by @hey-api/openapi-ts.

    import {{ createClient, createConfig }} from "cherish-client/client";
    import {{ listValuations }} from "cherish-client";

    const client = createClient(createConfig({{ baseUrl: "https://market.example.org", auth: () => KEY }}));
    const {{ data, error }} = await listValuations({{ client }});

Version {version} of the service's API. Apache-2.0.
"""


def committed(folder: Path) -> None:
    """The files of HEAD; what is changed and not committed is in no release."""
    archive = folder / "source.tar"
    run("git", "archive", "--format=tar", "-o", archive, "HEAD", cwd=ROOT)
    with tarfile.open(archive) as tar:
        tar.extractall(folder / "source", filter="data")


def python_files(source: Path, out: Path) -> None:
    """Wheel and sources of each distribution. They are built with the setuptools at hand, without a network."""
    for place in DISTRIBUTIONS:
        build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--quiet"]
        run(*build, "-w", out, ".", cwd=source / place)
        run(sys.executable, "-c", _SDIST, out, cwd=source / place)


def documents(source: Path, out: Path) -> None:
    """The API's document and the bill of materials."""
    shutil.copy(source / "docs" / "openapi.json", out / "openapi.json")
    made = subprocess.run(
        [sys.executable, "tools/bill_of_materials.py"], cwd=source, check=True, capture_output=True, text=True
    )
    (out / "cherish.cdx.json").write_text(made.stdout)


def typescript_client(source: Path, home: Path, out: Path) -> None:
    """The client as a package's folder: its sources, what tsc makes of them, and their types."""
    installed(home)
    version = tomllib.loads((source / "cherish" / "pyproject.toml").read_text())["project"]["version"]
    folder = out / "typescript-client"
    folder.mkdir()
    spec = source / "docs" / "openapi.json"
    config = (HERE / "openapi-ts.config.mjs").read_text().replace("../../docs/openapi.json", str(spec))
    with tempfile.TemporaryDirectory(dir=home) as work:
        place = Path(work)
        (place / "openapi-ts.config.mjs").write_text(config)
        (place / "package.json").write_text('{"private": true, "type": "module"}')
        run("npx", "openapi-ts", "-f", "openapi-ts.config.mjs", cwd=place)
        settings = json.loads((HERE / "tsconfig.json").read_text())
        settings["compilerOptions"] |= {"declaration": True, "rootDir": "client"}
        (place / "tsconfig.json").write_text(json.dumps(settings | {"include": ["client"]}))
        run("npx", "tsc", "-p", ".", cwd=place)
        shutil.copytree(place / "client", folder / "src")
        shutil.copytree(place / "out", folder / "dist")
    entry = {"types": "./dist/index.d.ts", "default": "./dist/index.js"}
    sub = {"types": "./dist/client/index.d.ts", "default": "./dist/client/index.js"}
    package = {
        "name": "cherish-client",
        "version": version,
        "description": "The Cherish market from TypeScript: a typed client of its HTTP API",
        "license": "Apache-2.0",
        "type": "module",
        "exports": {".": entry, "./client": sub},
        "files": ["dist", "src"],
    }
    (folder / "package.json").write_text(json.dumps(package, indent=2) + "\n")
    (folder / "README.md").write_text(_README.format(version=version))
    shutil.copy(source / "LICENSE", folder / "LICENSE")


def sums(out: Path) -> None:
    """The digest of every file, as ``sha256sum --check`` reads it."""
    files = sorted(each for each in out.rglob("*") if each.is_file())
    lines = [f"{hashlib.sha256(each.read_bytes()).hexdigest()}  {each.relative_to(out)}" for each in files]
    (out / "SHA256SUMS").write_text("\n".join(lines) + "\n")


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--out", type=Path, default=ROOT / "dist")
    asked.add_argument("--home", type=Path, default=ROOT / ".clients", help="where generators are installed")
    asked.add_argument("--without-typescript", action="store_true")
    options = asked.parse_args()
    out = options.out.resolve()
    if out.exists() and any(out.iterdir()):
        raise SystemExit(f"{out} holds files already; remove it, or name another folder with --out")
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        committed(Path(temporary))
        source = Path(temporary) / "source"
        python_files(source, out)
        documents(source, out)
        if not options.without_typescript:
            typescript_client(source, options.home.resolve(), out)
    sums(out)
    sys.stdout.write((out / "SHA256SUMS").read_text())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
