"""Other libraries that tests compare with, where they are installed."""

from typing import Any

import pytest

from worker.engine.learners.outside.torchvision_import import make_torchvision_importable


def outside_package(name: str, reason: str | None = None) -> Any:
    """The package; a test without it is skipped with the reason."""
    make_torchvision_importable()
    return pytest.importorskip(name, reason=reason)
