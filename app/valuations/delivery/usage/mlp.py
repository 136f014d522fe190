"""A multi-layer perceptron in a few lines of torch."""

from contract.results.delivery import ModelConfig


def outputs(config: ModelConfig) -> str:
    layers = int(config.hyper.get("layers", 1))
    return f"""logits = X.float().flatten(1)
for i in range(0, {2 * layers + 1}, 2):
    logits = (logits.relu() if i else logits) @ w[f"{{i}}.weight"].T + w[f"{{i}}.bias"]
"""
