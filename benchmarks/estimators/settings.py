"""Which games are judged. Those of ``TUNED`` were looked at while the estimator was built; ``KEPT`` were not. Kernels,
and steps of the tangent, were compared on every second of ``KEPT`` (``CHOSEN``), and judged on the others and on
``FRESH``, which were made afterwards."""

METRICS = ("accuracy", "clipped_log_loss", "log_loss")

_TUNED = """
    digits-skewed digits-labels digits-pairs adult-by-education adult-alike adult-dominant adult-rare
    agnews-mislabelled agnews-skewed tumours-skewed tumours-labels wines-sizes digits-skewed-mlp
    adult-by-occupation-mlp
"""
_KEPT = """
    digits-skewed digits-alike digits-dominant digits-mislabelled adult-by-education adult-by-occupation adult-by-age
    adult-pairs adult-labels adult-skewed adult-rare agnews-alike agnews-pairs agnews-labels agnews-sizes
    tumours-pairs tumours-alike tumours-dominant tumours-mislabelled wines-skewed wines-pairs adult-by-age-mlp
    digits-pairs-mlp tumours-skewed-mlp
"""
_FRESH = """
    digits-sizes digits-labels adult-dominant adult-by-age agnews-skewed tumours-skewed wines-alike
    adult-labels-mlp
"""
# game: the seeds of its tables
TUNED: dict[str, tuple[int, ...]] = dict.fromkeys(_TUNED.split(), (0,))
KEPT: dict[str, tuple[int, ...]] = dict.fromkeys(_KEPT.split(), (1,))
FRESH: dict[str, tuple[int, ...]] = dict.fromkeys(_FRESH.split(), (2,))
CHOSEN = dict(list(KEPT.items())[0::2])
OTHERS = dict(list(KEPT.items())[1::2])
_ALL = (TUNED, KEPT, FRESH)
GAMES = {
    name: tuple(sorted({seed for each in _ALL for seed in each.get(name, ())})) for name in {**TUNED, **KEPT, **FRESH}
}
