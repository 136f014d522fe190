"""Adapters of a language model, with transformers and peft: the package is a PEFT folder."""

from contract.results.delivery import ModelConfig


def program(config: ModelConfig) -> str:
    about = (
        "This folder is a PEFT adapter; BASE is the folder of the base model that the order named "
        f"(SHA-256 of its archive {config.base})."
    )
    return f"""{about}

```python
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer
model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained("BASE"), ".")
tokens = AutoTokenizer.from_pretrained("BASE")("a text", return_tensors="pt")
print(model(**tokens, labels=tokens["input_ids"]).loss)
```"""
