"""What the learners can be told: their hyper-parameters by name and kind, so that a mistake is refused when it is made.

The learners themselves are on the other side of the queue, and nothing here imports them; one test holds this table to
theirs. What a value does to a training is not judged here.
"""

import math
from collections.abc import Mapping

from app.checkpoints.tables import Architecture

HYPER: dict[Architecture, dict[str, type[int] | type[float]]] = {
    Architecture.LOGISTIC: {"l2": float, "tol": float, "iterations": int},
    Architecture.MLP: {"hidden": int, "layers": int, "steps": int, "lr": float, "l2": float, "batch": int},
    Architecture.CNN: {"channels": int, "steps": int, "lr": float, "l2": float, "batch": int},
    # the sizes of the model itself are its folder's
    Architecture.LM: {
        "context": int,
        "rank": int,
        "alpha": float,
        "steps": int,
        "lr": float,
        "l2": float,
        "batch": int,
        "bf16": int,
        "recompute": int,
    },
    # what its encoder or backbone is shown is told to that
    Architecture.LORA: {
        "rank": int,
        "alpha": float,
        "steps": int,
        "lr": float,
        "l2": float,
        "batch": int,
        "recompute": int,
    },
    Architecture.ENCODER: {"context": int},
    Architecture.BACKBONE: {"size": int},
}


def faults(architecture: Architecture, hyper: Mapping[str, object]) -> dict[str, str]:
    """What is wrong with which hyper-parameter, one sentence each; empty where nothing is."""
    known = HYPER[architecture]
    found = {}
    for name, value in sorted(hyper.items()):
        if name not in known:
            what = f"{architecture.value} has no hyper-parameter {name!r}; it knows {', '.join(sorted(known))}"
            found[name] = what
        elif not _fits(value, known[name]):
            rule = "a whole number" if known[name] is int else "a number"
            found[name] = f"{architecture.value}: {name} must be {rule} of at least 0; got {value!r}"
    return found


def _fits(value: object, kind: type[int] | type[float]) -> bool:
    try:
        number = float(value)  # type: ignore[arg-type]  # what is no number is refused here
    except (TypeError, ValueError):
        return False
    return math.isfinite(number) and number >= 0 and (kind is float or number == int(number))
