"""How a delivered model is used without this service: a few lines of torch for each learner. A new learner is a file
here and a line below; without one its README names ``cherish predict`` alone, and says so.
"""

from collections.abc import Callable

from app.valuations.delivery.usage import cnn, lm, logistic, lora, mlp, rows
from contract.results.delivery import ModelConfig, Preprocessing

# from X, float32[n, ...], and weights ``w`` to ``logits``
_OUTPUTS: dict[str, Callable[[ModelConfig], str]] = {
    "logistic": logistic.outputs,
    "ridge": logistic.outputs,  # the same product; what it means is in the answer
    "mlp": mlp.outputs,
    "cnn": cnn.outputs,
}
# whole programs, of models that stand inside another one
_PROGRAMS: dict[str, Callable[[ModelConfig], str]] = {"lm": lm.program, "lora": lora.program}
_ANSWER = """for p in logits.softmax(1).tolist():
    print(prep["labels"][p.index(max(p))], p)
"""
# a number, in the unit of the target
_NUMBER = """centre, spread = prep["encoding"]["target_scale"]
for y in (centre + spread * logits[:, 0].double()).tolist():
    print(y)
"""


def usage(config: ModelConfig, preprocessing: Preprocessing) -> str:
    """Markdown: how to use the model."""
    if config.learner in _PROGRAMS:
        return _PROGRAMS[config.learner](config)
    if config.learner not in _OUTPUTS:
        return f"There is no short program for {config.learner} yet; `cherish predict` computes its predictions."
    read = rows.read(preprocessing)
    answer = _ANSWER if preprocessing.target_scale is None else _NUMBER
    program = f"{read.code}{_OUTPUTS[config.learner](config)}{answer}"
    return f"{read.about}\n\n```python\n{program}```"
