"""Estimators by name, and the budgets that rule where an order names none."""

AUTO, EXACT, MULTIFIDELITY = "auto", "exact", "multifidelity"
SAMPLING = ("permutation", "antithetic", "stratified", "kernelshap", "leverage", "svarm", "regression")
ESTIMATORS = (AUTO, EXACT, MULTIFIDELITY, *SAMPLING)

# up to so many players every coalition is unlearned; above it a sample
ENUMERATE_UP_TO = 12
MOST_COALITIONS = 4096
# retrainings where the order names no number: max(LEAST_RETRAINS, RETRAINS_EACH * players)
LEAST_RETRAINS, RETRAINS_EACH = 36, 3
# the two anchors and two pairs: with fewer retrainings nothing is corrected
LEAST_TO_CORRECT = 6
# retrainings that measure an estimate which is not corrected by them
AUDITED = 16


def planned_retrains(players: int) -> int:
    """The most retrainings of an order that names no number."""
    return max(LEAST_RETRAINS, RETRAINS_EACH * players)
