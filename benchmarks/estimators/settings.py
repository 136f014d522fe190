"""Which games are judged. Those of ``TUNED`` were looked at while the estimator was built; ``KEPT`` were not."""

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
# game: the seeds of its tables
TUNED: dict[str, tuple[int, ...]] = dict.fromkeys(_TUNED.split(), (0,))
KEPT: dict[str, tuple[int, ...]] = dict.fromkeys(_KEPT.split(), (1,))
GAMES = {name: tuple(sorted({*TUNED.get(name, ()), *KEPT.get(name, ())})) for name in {**TUNED, **KEPT}}
