"""Parts of a page that code writes, each between two marks; what stands around them is written by hand."""

from pathlib import Path

from benchmarks.store import ROOT

PROVENANCE = ROOT / "docs" / "benchmarks-provenance.md"


def fill(page: Path, name: str, text: str) -> None:
    """Put ``text`` between the page's marks ``<!-- name: begin -->`` and ``<!-- name: end -->``."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    page_text = page.read_text()
    if page_text.count(begin) != 1 or page_text.count(end) != 1 or page_text.index(begin) > page_text.index(end):
        raise ValueError(f"{page.name}: needs the mark {begin} once and {end} once after it; put both in")
    head, _, rest = page_text.partition(begin)
    tail = rest.partition(end)[2]
    page.write_text(f"{head}{begin}\n\n{text.strip()}\n\n{end}{tail}")
