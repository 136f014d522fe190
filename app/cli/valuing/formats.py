"""How numbers are printed in the terminal's tables."""


def percent(share: float | None) -> str:
    """A part of one in percent with two places; nothing where there is none."""
    return "" if share is None else f"{100 * share:.2f} %"
