"""A classifier whose adapters lie inside an encoder: the arrays are named as its modules are."""

from contract.results.delivery import ModelConfig


def program(config: ModelConfig) -> str:
    scale = f"{float(config.hyper.get('alpha', 8.0)):g} / {int(config.hyper.get('rank', 4))}"
    return (
        "The arrays `*.lora_A.weight` and `*.lora_B.weight` are added, as B A times "
        f"{scale}, to the weights of the modules of the frozen model that they are named for; `head.weight` and "
        "`head.bias` answer its features. `cherish predict MODEL.zip FILE --base FOLDER` computes that, FOLDER being "
        f"the model folder that the order named (SHA-256 of its archive {config.base})."
    )
