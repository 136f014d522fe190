"""Which deployment a command talks to: the one that CHERISH_* variables name, else the stack that runs in this folder.

It only looks; it starts nothing.
"""

import os
from pathlib import Path

from app.embedded.places import EmbeddedError
from app.embedded.stack import running_stack
from app.settings import Settings, get_settings


def home() -> Path:
    """The embedded stack's folder: CHERISH_HOME, else ``.cherish`` of the working folder."""
    return Path(os.environ.get("CHERISH_HOME") or ".cherish").absolute()


def operator_settings() -> Settings:
    """The settings for a command; raises EmbeddedError where there is neither a variable nor a running stack."""
    if "CHERISH_DATABASE_URL" not in os.environ:
        state = running_stack(home())
        if state is None:
            raise EmbeddedError(
                f"CHERISH_DATABASE_URL is not set and no stack runs in {home()}; "
                "start one with `cherish up`, or set the variables of your deployment"
            )
        return Settings.from_variables(state.env)
    return get_settings()
