"""The outbox is tested on a database of its own, with commits: what is not committed must not be sent."""

from tests.worker.conftest import broker, own_settings, template

__all__ = ["broker", "own_settings", "template"]
