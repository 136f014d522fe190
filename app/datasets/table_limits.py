"""How large a table a deployment reads: the limits of its settings, for the service and the command line alike."""

from app.datasets.readers.limits import Limits
from app.settings import Settings


def limits_of(settings: Settings) -> Limits:
    """How large a table this deployment reads."""
    return Limits(
        settings.max_rows,
        settings.max_columns,
        settings.max_table_bytes,
        settings.max_image_pixels,
        settings.max_pixels,
        settings.max_members,
        settings.max_tokens,
    )
