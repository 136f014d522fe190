"""The one error of the vocabulary: an order, or a problem made of it, breaks a rule that is written here."""


class InvalidProblem(ValueError):
    """A rule is broken; the text names the thing, the rule and the mend."""
