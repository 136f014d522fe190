"""How much of an uploaded checkpoint is read: members of its zip, JSON, headers, arrays. Settings give the numbers."""

from contract.document import Document


class CheckpointLimits(Document):
    """``max_members`` is of a model folder's zip, ``max_json_bytes`` of one of its JSON files but the tokenizer;
    ``max_header_bytes`` and ``max_tensors`` are of one safetensors file."""

    max_members: int = 1_000
    max_json_bytes: int = 16 * 1024**2
    max_header_bytes: int = 1024**2
    max_tensors: int = 1_000
