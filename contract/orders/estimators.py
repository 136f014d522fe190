"""Estimators by name, what ends a job, and the budgets of an order that names none."""

AUTO, EXACT, MULTIFIDELITY = "auto", "exact", "multifidelity"
SAMPLING = ("permutation", "antithetic", "stratified", "kernelshap", "leverage", "svarm", "regression")
ESTIMATORS = (AUTO, EXACT, MULTIFIDELITY, *SAMPLING)

# by name, in words: what ends a job
BUDGET, PRECISION = "budget", "precision"
RULES = {
    BUDGET: "the budgets, or sooner where computing is precise enough",
    PRECISION: "the width asked for, test rows included, as long as computing can reach it",
}
# up to so many players every coalition is unlearned; above it a sample
ENUMERATE_UP_TO = 12
MOST_COALITIONS = 4096
# retrainings where the order names no number: max(LEAST_RETRAINS, RETRAINS_EACH * players)
LEAST_RETRAINS, RETRAINS_EACH = 36, 3
# times as many where the precision asked for rules, and the order names no number
PRECISION_FACTOR = 8
# coalitions that are retrained from another start, to measure seed noise
REPLICATES = 6
# the two anchors and two pairs: with fewer retrainings nothing is corrected
LEAST_TO_CORRECT = 6
# above it the 2^n coalitions of the exact estimator are too many for anybody
EXACT_UP_TO = 20
# retrainings that measure an estimate which is not corrected by them: max(LEAST_AUDITED, AUDITED_EACH * players)
LEAST_AUDITED, AUDITED_EACH = 16, 2


def planned_retrains(players: int) -> int:
    """The most retrainings of an order that names no number."""
    return max(LEAST_RETRAINS, RETRAINS_EACH * players)


def most_retrains(players: int, ruled_by: str) -> int:
    """The same by what rules the job (``RULES``)."""
    return planned_retrains(players) * (PRECISION_FACTOR if ruled_by == PRECISION else 1)


def audited(players: int) -> int:
    """How many coalitions are trained anew to measure an estimate that is not corrected by them, anchors aside."""
    return max(LEAST_AUDITED, AUDITED_EACH * players)


def least_evaluations(estimator: str, players: int) -> int:
    """The fewest evaluations that an estimator can work with for so many players of distinct content."""
    return {
        EXACT: 1 << players,
        MULTIFIDELITY: 6,
        "permutation": players + 1,
        "antithetic": 2 * players,
        "stratified": players + 3,
        "kernelshap": 4,
        "leverage": 4,
        "svarm": 2 * players + 2,
        "regression": 2 * players + 2,
    }.get(estimator, 2)


def budget_fault(
    estimator: str, players: int, distinct: int, max_evaluations: int | None, max_retrains: int | None
) -> str | None:
    """Why an estimator cannot work within budgets (``max_retrains``: None where it buys no retrainings), or None.

    ``distinct`` counts the coalitions of distinct content.
    """
    if estimator == EXACT and players > EXACT_UP_TO:
        return f"the exact estimator is for at most {EXACT_UP_TO} players, and this job has {players}; use auto"
    least = distinct if estimator == EXACT else min(least_evaluations(estimator, players), distinct)
    for name, limit in (("max_evaluations", max_evaluations), ("max_retrains", max_retrains)):
        if limit is not None and limit < least:
            what = f"the {estimator} estimator needs {least} evaluations here, and {name} is {limit}"
            return f"{what}; raise it, or use auto"
    return None
