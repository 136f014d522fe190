"""What a job delivers: which players a released model is trained on, what a worker made, and what is kept of it.

``TrainedModel`` crosses from the worker that trained it to the settlement that releases it; ``ReleasedModel`` is kept.
"""

from typing import Any

from contract.architectures.model_folder import ModelFacts, TensorFacts
from contract.document import Document, canonical_json
from contract.results.attributions import AloneModel
from contract.tasks import TargetScale

MODEL_FORMAT = "cherish-model-1"
CONFIG, PREPROCESSING, MANIFEST = "config.json", "preprocessing.json", "manifest.json"
WEIGHTS, ADAPTER, ADAPTER_CONFIG = "model.safetensors", "adapter_model.safetensors", "adapter_config.json"
# weights under this prefix are the buyer's own start, kept to train from again and never delivered
OWN_START = "base."


class LeftOut(Document):
    """A payee, by its position in the job, whose data the model is not trained on, and why."""

    position: int
    reason: str


class Training(Document):
    """The data of a released model: ``kept`` of the game's players, the payees whose data that is, and the others."""

    kept: tuple[bool, ...]
    trained_on: tuple[int, ...]
    left_out: tuple[LeftOut, ...]


class Scaling(Document):
    """Centre and spread of each of a frozen model's features, by the test set, as a head takes them."""

    centre: tuple[float, ...]
    spread: tuple[float, ...]


class ModelConfig(Document):
    """What a package says of its model, enough to build it again: the learner, the shape of a row, how many classes or
    tokens there are, and the digest of the frozen model below (None: it stands on none)."""

    format: str = MODEL_FORMAT
    learner: str
    hyper: dict[str, float | int | str]
    shape: tuple[int, ...]
    classes: int
    weights: str
    base: str | None = None


class Preprocessing(Document):
    """How rows become numbers and answers become labels: a game's encoding, and the scaling of features."""

    encoding: dict[str, Any]
    labels: tuple[str, ...]
    scaling: Scaling | None = None

    @property
    def target_scale(self) -> TargetScale | None:
        """What the answers of a model that predicts a number stand for; None of others."""
        scale = self.encoding.get("target_scale")
        return None if scale is None else TargetScale(*map(float, scale))


class TrainedModel(Document):
    """A model that a worker trained for a job's buyer: ``weights`` is its blob, ``retrained`` whether it is another one
    than that of all players; ``statistics`` the blob of what is stored beside the weights for partial mode (None: of
    such a model nothing is). ``score`` on ``units`` test units, with its standard error. ``alone`` are the models of
    those that it is trained on, one by one, where the order asks for attributions."""

    kept: tuple[bool, ...]
    weights: str
    size: int
    tensors: dict[str, TensorFacts]
    facts: ModelFacts | None
    config: ModelConfig
    preprocessing: Preprocessing
    files: dict[str, str]
    retrained: bool
    rows: int
    score: float
    stderr: float
    units: int
    statistics: str | None = None
    alone: tuple[AloneModel, ...] = ()


class ReleasedModel(Document):
    """What is kept of a model that was released: whose data it is trained on, and what it is made of. ``files`` are the
    digests of the package's files at settlement, whose manifest the certificate names."""

    training: Training
    config: ModelConfig
    preprocessing: Preprocessing
    files: dict[str, str]
    retrained: bool
    rows: int
    score: float
    stderr: float
    units: int


def manifest(files: dict[str, str]) -> bytes:
    """The manifest of a package's files, by their SHA-256: the document whose digest certificates hold."""
    return canonical_json({"format": MODEL_FORMAT, "files": files})
