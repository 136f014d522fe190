"""An order as a program would post it: one command of curl, and the same in Python. Pure; no key is ever in it."""

import json
import pprint
import shlex
from dataclasses import dataclass

from app.valuations.schemas import NewValuation


@dataclass(frozen=True)
class OrderAsCode:
    """The order for a shell, and for Python; both read the key from the variable CHERISH_API_KEY."""

    curl: str
    python: str


def as_code(order: NewValuation, url: str) -> OrderAsCode:
    """What posts this order to the service at ``url``, saying what differs from an order's defaults."""
    said = order.model_dump(mode="json", exclude_defaults=True)
    address = shlex.quote(f"{url.rstrip('/')}/v1/valuations")
    curl = " \\\n  ".join(
        (
            f"curl {address}",
            '-H "Authorization: Bearer $CHERISH_API_KEY"',
            "-H 'Content-Type: application/json'",
            '-H "Idempotency-Key: $(uuidgen)"',
            f"--data {shlex.quote(json.dumps(said, ensure_ascii=False))}",
        )
    )
    written = pprint.pformat(said, width=88, sort_dicts=False)
    python = "\n".join(
        (
            "import os",
            "",
            "from cherish import Client",
            "",
            f"order = {written}",
            f'with Client({url.rstrip("/")!r}, os.environ["CHERISH_API_KEY"]) as client:',
            "    job = client.create_valuation(**order)",
            '    print(job["id"])',
        )
    )
    return OrderAsCode(curl, python)
