"""The arrays of a model of gradient-boosted trees: their names and shapes. Pure; what they mean is said where they are
computed, in ``worker.engine.learners.boosted_trees``."""

Shape = tuple[int, ...]


def outputs_of(classes: int) -> int:
    """How many outputs a round of trees adds to, one tree each: of two classes the second's alone."""
    return 1 if classes == 2 else classes


def forest_shapes(rounds: int, leaves: int, classes: int, categories: int = 0) -> list[tuple[str, Shape]]:
    """Names and shapes in the layout's order: T trees of at most ``leaves`` leaves. A split by at most ``categories``
    values of a category is as many questions, and one for a missing cell."""
    trees = rounds * outputs_of(classes)
    questions = (leaves - 1) * (categories + 1)
    inner: list[tuple[str, Shape]] = [(name, (trees, questions)) for name in ("feature", "threshold", "left", "right")]
    return [("start", (classes,)), *inner, ("value", (trees, leaves))]
