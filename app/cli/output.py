"""Where a command's document goes: a file, or with ``-`` standard output, which then holds nothing else."""

import sys
from pathlib import Path

from rich.console import Console
from rich.status import Status

STANDARD = Path("-")


def console_beside(document: Path | None) -> Console:
    """The console for people: standard error where the document takes standard output."""
    return Console(stderr=document == STANDARD)


def write_document(content: bytes, path: Path, console: Console) -> None:
    """Write a document; of a file it is said where it is."""
    if path == STANDARD:
        sys.stdout.write(content.decode())
        return
    path.write_bytes(content)
    console.print(f"Written to {path}", soft_wrap=True)


def waiting(what: str) -> Status:
    """Says on a terminal's standard error what is waited for, for as long as the block takes. Answers are written after
    it: within, a terminal's standard output is drawn on."""
    return Console(stderr=True).status(what)
