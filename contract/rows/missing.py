"""Which texts in a cell say that there is no value: wherever a table is read, by the service or beside the data."""

# a cell that is one of these, in any case, is missing
MISSING = frozenset(("", "?", "na", "n/a", "n.a.", "#n/a", "#na", "nan", "-nan", "null", "<na>", "\\n"))
# these too: among numbers always, among words where another cell of the column has a letter or digit
DASHES = frozenset(("-", "--", "---", ".", "..", "...", "\u2013", "\u2014"))
# and these among numbers only; among words they are answers
NO_NUMBER = frozenset(
    [
        "none",
        "nil",
        "nd",
        "n.d.",
        "na.",
        "nat",
        "k.a.",
        "unknown",
        "missing",
        "blank",
        "not available",
        "no data",
        "not applicable",
        "not reported",
        "(null)",
        "<null>",
        "(blank)",
        "(missing)",
        "(none)",
        "*",
        "#value!",
        "#div/0!",
        "#ref!",
        "#num!",
        "#null!",
    ]
)
