"""From a page to PDF, by PlutoPrint, in the confined process: other people's names go through a layout engine in C++.

The page is complete: whatever it would load from anywhere is refused. The same page gives the same bytes.
"""

import base64
from datetime import datetime
from io import BytesIO
from typing import Any

from pydantic import Base64Bytes

from app.paper import fonts
from contract.document import Document

MEMORY_BYTES, SECONDS = 1024**3, 60.0
TASK = "app.paper.printing:answer"


def document(title: str, style: str, body: str, language: str = "en") -> str:
    """A whole HTML page that carries its letters; ``title`` and ``body`` are markup already."""
    letters = fonts.rules(title + body)
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{letters}{style}</style></head><body>{body}</body></html>\n"
    )


class PrintQuestion(Document):
    """``page`` as a PDF with this title, dated ``at``."""

    task: str = TASK
    name: str
    page: str
    title: str
    at: datetime


class PrintAnswer(Document):
    """The PDF's bytes."""

    pdf: Base64Bytes


def answer(plain: dict[str, Any]) -> dict[str, Any]:
    """Runs in the confined process: plain JSON of ``PrintAnswer`` for that of ``PrintQuestion``."""
    question = PrintQuestion.read(plain)
    written = to_pdf(question.page, question.title, question.at)
    return PrintAnswer(pdf=base64.b64encode(written)).plain()


def to_pdf(page: str, title: str, at: datetime) -> bytes:
    """The page on paper of the size its style names; ``at`` is the date that the file bears."""
    import plutoprint

    class Nothing(plutoprint.ResourceFetcher):
        """Refuses whatever a page would load."""

        def fetch_url(self, url: str) -> plutoprint.ResourceData:
            raise ValueError(f"a page on paper loads nothing: {url[:80]}")

    book = plutoprint.Book(plutoprint.PAGE_SIZE_A4, plutoprint.PAGE_MARGINS_NORMAL, plutoprint.MEDIA_TYPE_PRINT)
    book.custom_resource_fetcher = Nothing()
    book.load_html(fonts.spelled(page))
    book.set_metadata(plutoprint.PDF_METADATA_TITLE, title)
    book.set_metadata(plutoprint.PDF_METADATA_CREATOR, "Cherish")
    book.set_metadata(plutoprint.PDF_METADATA_CREATION_DATE, at.isoformat())
    written = BytesIO()
    book.write_to_pdf_stream(written)
    return written.getvalue()
