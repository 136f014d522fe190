"""A small convolutional network in a few lines of torch."""

from contract.results.delivery import ModelConfig

_OUTPUTS = """x = X.view(*X.shape[:3], -1).permute(0, 3, 1, 2)
for i in (0, 1):
    weight = w[f"conv{i}.weight"].permute(0, 3, 1, 2)
    x = torch.nn.functional.conv2d(x, weight, w[f"conv{i}.bias"], stride=2, padding=1).relu()
logits = x.permute(0, 2, 3, 1).flatten(1) @ w["head.weight"].T + w["head.bias"]
"""


def outputs(_config: ModelConfig) -> str:
    return _OUTPUTS
