"""The public base models that the owner keeps copies of: their digests, how they cut texts into tokens, their weights.

A folder is what was uploaded to the service, or the buyer published: ``config.json``, ``tokenizer.json`` (none where
bytes are tokens) and safetensors. Nothing is downloaded, no pickle and no code of a folder is opened.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors.torch
import tokenizers
import torch
from numpy.typing import NDArray

from agent.errors import AgentError, NotAllowed
from contract.agent_adapters import decoder_of
from contract.agent_texts import CONTEXTS, RegisteredBase
from contract.architectures.decoder_families import FAMILIES, GPT2
from contract.architectures.packed_folder import CONFIG, COUNTERS, INDEX, TOKENIZER, WEIGHTS, packed_digest
from contract.learning.learners import Hyper
from contract.rows.token_blocks import Encode, Tokens, cut, tokens_of

Weights = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class BaseFolder:
    """A base in a folder, by its digest; ``encode`` makes tokens of a text (None: its bytes are)."""

    folder: Path
    digest: str
    encode: Encode | None

    @classmethod
    def open(cls, folder: Path) -> "BaseFolder":
        """Raises AgentError where the folder is no base model's."""
        try:
            files = {name: folder / name for name in (CONFIG, *_weights(folder))}
            if (folder / TOKENIZER).exists():
                files[TOKENIZER] = folder / TOKENIZER
            return cls(folder, packed_digest(files), _encode(folder))
        except (OSError, ValueError, KeyError) as error:
            raise AgentError(f"{folder}: this is no folder of a base model ({error})") from None

    def tokens(self, texts: tuple[str, ...]) -> list[Tokens]:
        """The tokens of each document that has two or more."""
        return [tokens for text in texts if len(tokens := tokens_of(text, self.encode)) > 1]

    def registered(self, texts: tuple[str, ...]) -> RegisteredBase:
        """How many blocks the documents make; raises AgentError where they make none."""
        lengths = np.array([len(tokens) - 1 for tokens in self.tokens(texts)], dtype=np.int64)
        if not len(lengths):
            raise AgentError(f"{self.folder}: no document has two tokens, so nothing can be predicted")
        return RegisteredBase(
            digest=self.digest, blocks={context: int(-(-lengths // context).sum()) for context in CONTEXTS}
        )

    def blocks(self, texts: tuple[str, ...], context: int) -> NDArray[np.float32]:
        """The documents as blocks float32[n, context + 1], in their order."""
        return np.concatenate([cut(tokens, context) for tokens in self.tokens(texts)])

    def weights(self, hyper: Hyper, vocabulary: int) -> Weights:
        """The weights by the learner's names, float32; raises NotAllowed where they are none of these sizes."""
        sizes = decoder_of(hyper)
        shapes = dict(sizes.shapes(vocabulary))
        before = f"{sizes.kind.layers.partition('.')[0]}." if sizes.kind is FAMILIES[GPT2] else ""
        weights: Weights = {}
        for file in _weights(self.folder):
            if file.endswith(INDEX):
                continue
            for label, array in safetensors.torch.load_file(self.folder / file).items():
                name = label if label in shapes else f"{before}{label}"
                # some exporters write the shared matrix twice
                if label.endswith(COUNTERS) or (sizes.tied and name == sizes.kind.head):
                    continue
                if tuple(array.shape) != shapes.get(name):
                    raise NotAllowed(f"array `{label}` of base {self.digest[:12]} is none of the question's sizes")
                weights[name] = array.to(torch.float32).numpy()
        if missing := sorted(shapes.keys() - weights.keys()):
            raise NotAllowed(f"base {self.digest[:12]} has no array `{missing[0]}`, which the question's sizes have")
        return weights


def _weights(folder: Path) -> list[str]:
    """The names of the files of weights: one, or an index and the shards that it names."""
    if (folder / WEIGHTS).is_file():
        return [WEIGHTS]
    index = f"{WEIGHTS}{INDEX}"
    shards = sorted(set(json.loads((folder / index).read_text())["weight_map"].values()))
    if any(Path(shard).name != shard for shard in shards):
        raise ValueError(f"{index} names a shard outside the folder")
    return [index, *shards]


def _encode(folder: Path) -> Encode | None:
    path = folder / TOKENIZER
    if not path.exists():
        return None
    try:
        tokenizer = tokenizers.Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises plain Exception
        raise ValueError(f"{TOKENIZER} is no tokenizer: {error}") from None
    # a tokenizer.json may ask for padding and truncation, which would change what a document is
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return lambda text: list(tokenizer.encode(text, add_special_tokens=False).ids)
