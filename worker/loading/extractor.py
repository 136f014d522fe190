"""Features by a frozen model: a folder read once, then texts or images as rows of numbers. It trains nothing.

Where adapters are trained inside the model (learner ``lora``), rows are the model's ``inputs``, and no features.

Texts are cut to ``context`` tokens (an end mark stays), images resized bilinearly to the model's square, brought from 0
to 255 to 0 to 1, and normalised by the mean and spread that the model was trained with; grey is shown in all three
channels. Rows go through in batches of one size, filled up, so that equal rows come out equal. ``standardised`` brings
features to the spread that heads expect, by the test set alone, as columns are.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from app.checkpoints import families, text_encoders, vision
from app.checkpoints.configs import OtherTimmConfig, read_config
from app.checkpoints.families import Family, ImageSizes
from app.checkpoints.folders import MODULES, POOLING
from app.datasets.rows.items import IMAGE, TEXT
from app.datasets.rows.tokens import Encode, Tokenizer, load_tokenizer
from app.errors import InvalidData
from contract.architectures.bert import BertSizes
from contract.architectures.published import CONFIG_ARRAY, PublishedEncoderSizes
from contract.architectures.timm_backbone import TimmSizes, size_arguments
from contract.architectures.vision_transformer import VitSizes
from contract.errors import InvalidProblem
from contract.rows.columns import CLIP
from worker.engine.learners.backbones import encoders
from worker.engine.learners.lora_classifier import NO_TOKEN
from worker.engine.learners.outside.published import PublishedEncoder, config_array
from worker.engine.learners.outside.timm_backbone import TimmBackbone
from worker.loading.model_folders import read_any_json, read_json, read_weights

Features = NDArray[np.float32]
CONTEXT = 128
_BATCH = 16
_BUCKET = 32
_LONGEST_TOKEN = 64  # letters; of a text only so many times the context are read


@dataclass(frozen=True)
class Extractor:
    """A frozen model with its weights on a device. ``kind`` is what it reads: text or image. One that transformers
    computes is ``published``, with its configuration among the weights, one that timm computes ``timm``."""

    kind: str
    family: Family
    weights: dict[str, Tensor]
    device: str
    encode: Encode | None = None
    context: int = CONTEXT
    side: int = 0
    published: PublishedEncoder | None = None
    timm: TimmBackbone | None = None

    @property
    def nbytes(self) -> int:
        return sum(weight.element_size() * weight.numel() for weight in self.weights.values())

    @property
    def _backbone(self) -> ImageSizes:
        if not isinstance(self.family.model, ImageSizes):
            raise AssertionError(f"a {self.family.name} reads no images")
        return self.family.model

    def features(self, values: Iterator[Any]) -> Features:
        """float32[n, width] of n texts, or of n images float32/uint8 [h, w] or [h, w, 3]."""
        parts = self._of_texts(values) if self.kind == TEXT else self._of_images(values)
        ordered = [part for _, part in sorted(parts, key=lambda pair: pair[0])]
        if not ordered:
            return np.zeros((0, self.family.width), dtype=np.float32)
        rows: Features = np.stack(ordered)
        if not np.isfinite(rows).all():
            raise InvalidProblem(
                f"row {int(np.argmin(np.isfinite(rows).all(axis=1))) + 1}: the frozen model's features are not finite;"
                " its weights are damaged, or the row is"
            )
        return rows

    def inputs(self, values: Iterator[Any]) -> Features:
        """The model's inputs, prepared and not computed: token numbers float32[n, context], NO_TOKEN after the
        end of a text, or images float32[n, 3, side, side]."""
        if self.kind == IMAGE:
            images = [self._prepared(pixels).numpy() for pixels in values]
            return np.stack(images) if images else np.zeros((0, 3, self.side, self.side), dtype=np.float32)
        rows = []
        for text in values:
            row = np.full(self.context, NO_TOKEN, dtype=np.float32)
            tokens = self._tokens(text)
            row[: len(tokens)] = tokens
            rows.append(row)
        return np.stack(rows) if rows else np.zeros((0, self.context), dtype=np.float32)

    def _of_texts(self, values: Iterator[Any]) -> Iterator[tuple[int, Features]]:
        waiting: dict[int, list[tuple[int, list[int]]]] = {}
        for row, text in enumerate(values):
            tokens = self._tokens(text)
            length = min(-(-len(tokens) // _BUCKET) * _BUCKET, self.context)
            alike = waiting.setdefault(length, [])
            alike.append((row, tokens))
            if len(alike) == _BATCH:
                yield from self._batch_of_texts(waiting.pop(length), length)
        for length, left in sorted(waiting.items()):
            yield from self._batch_of_texts(left, length)

    def _tokens(self, text: str) -> list[int]:
        if self.encode is None:
            raise InvalidProblem("the encoder has no tokenizer.json; add the tokenizer of the model")
        tokens = list(self.encode(text[: _LONGEST_TOKEN * self.context]))
        if len(tokens) > self.context:
            tokens = [*tokens[: self.context - 1], tokens[-1]]
        return tokens or [0]

    def _batch_of_texts(self, batch: Sequence[tuple[int, list[int]]], length: int) -> Iterator[tuple[int, Features]]:
        tokens = torch.zeros((_BATCH, length), dtype=torch.int64)
        present = torch.zeros((_BATCH, length), dtype=torch.bool)
        present[:, 0] = True
        for slot, (_, own) in enumerate(batch):
            tokens[slot, : len(own)] = torch.tensor(own)
            present[slot, : len(own)] = True
        with torch.no_grad():
            features = self._text_features(tokens.to(self.device), present.to(self.device))
        yield from zip((row for row, _ in batch), features.cpu().numpy(), strict=False)

    def _text_features(self, tokens: Tensor, present: Tensor) -> Tensor:
        sizes = self.family.model
        if isinstance(sizes, BertSizes):
            return encoders.bert(sizes, self.weights, tokens, present)
        if self.published is None or not isinstance(sizes, PublishedEncoderSizes):
            raise AssertionError(f"a {self.family.name} reads no texts")
        weight_of = self.published.weight_of
        states = self.published.states(
            tokens, present, lambda x, name: functional.linear(x, self.weights[weight_of(name)]), recompute=False
        )
        return encoders.pooled(states, present, sizes.pooling)

    def _of_images(self, values: Iterator[Any]) -> Iterator[tuple[int, Features]]:
        batch: list[tuple[int, Tensor]] = []
        for row, pixels in enumerate(values):
            batch.append((row, self._prepared(pixels)))
            if len(batch) == _BATCH:
                yield from self._batch_of_images(batch)
                batch = []
        if batch:
            yield from self._batch_of_images(batch)

    def _prepared(self, pixels: NDArray[Any]) -> Tensor:
        """float32[3, side, side], normalised."""
        image = torch.from_numpy(np.array(pixels, dtype=np.float32))
        image = image.unsqueeze(0).expand(3, -1, -1) if image.dim() == 2 else image.permute(2, 0, 1)
        if image.shape[1:] != (self.side, self.side):
            square = (self.side, self.side)
            image = functional.interpolate(
                image.unsqueeze(0), square, mode="bilinear", align_corners=False, antialias=True
            )[0]
        mean = torch.tensor(self._backbone.mean).view(3, 1, 1)
        return (image / 255.0 - mean) / torch.tensor(self._backbone.std).view(3, 1, 1)

    def _batch_of_images(self, batch: Sequence[tuple[int, Tensor]]) -> Iterator[tuple[int, Features]]:
        images = torch.zeros((_BATCH, 3, self.side, self.side))
        for slot, (_, image) in enumerate(batch):
            images[slot] = image
        sizes, images = self._backbone, images.to(self.device)
        with torch.no_grad():
            if isinstance(sizes, TimmSizes):
                features = self._timm_features(images[: len(batch)])
            elif isinstance(sizes, VitSizes):
                features = encoders.vit(sizes, self.weights, encoders.patches(self.weights, images))
            else:
                features = encoders.resnet(sizes, self.weights, images)
        yield from zip((row for row, _ in batch), features.cpu().numpy(), strict=False)

    def _timm_features(self, images: Tensor) -> Tensor:
        if self.timm is None:
            raise AssertionError(f"a {self.family.name} without its model")
        return self.timm.features(images)


def read_extractor(folder: Path, kind: str, device: str = "cpu", *, context: int = 0, side: int = 0) -> Extractor:
    """The frozen model of a folder; raises InvalidProblem naming the file, the rule and the mend.

    ``context`` and ``side``, where given, are how many tokens of a text, and how large a square, it reads.
    """
    path = folder / "config.json"
    config = read_json(path, "a model folder holds config.json and safetensors")
    tokenizer: Tokenizer | None = None
    _check_folder(folder, config, kind)
    arrays = read_weights(folder, "model.safetensors", without=("num_batches_tracked", "position_ids"))
    try:
        shapes = {name: array.shape for name, array in arrays.items()}
        family = (
            text_encoders.encoder(config, str(path), shapes)
            if kind == TEXT
            else vision.backbone(config, str(path), shapes)
        )
        if (pooling := folder / POOLING).is_file():
            family = text_encoders.pooled(family, read_json(pooling, "save the model again"), str(pooling))
        families.check_side_and_context(family, context, side, str(folder))
        if kind == TEXT:
            tokenizer = _tokenizer(folder, family.vocabulary)
    except InvalidData as error:
        raise InvalidProblem(error.detail) from None
    weights = {
        family.plain_name(name): torch.from_numpy(array).to(device)
        for name, array in arrays.items()
        if not family.is_spare(name)
    }
    wrong = sorted(
        name
        for name in family.shapes.keys() | weights.keys()
        if name not in weights or tuple(weights[name].shape) != family.shapes.get(name)
    )
    if wrong:
        rule = f"is {list(family.shapes[wrong[0]])}" if wrong[0] in family.shapes else "has no place"
        raise InvalidProblem(f"{folder}: array {wrong[0]!r} {rule} in this model; the weights are of another one")
    published = None
    if isinstance(family.model, PublishedEncoderSizes):
        content = path.read_bytes()
        published = PublishedEncoder(content, {name: weight.unsqueeze(0) for name, weight in weights.items()})
        weights[CONFIG_ARRAY] = config_array(content)
    return Extractor(
        kind,
        family,
        weights,
        device,
        tokenizer.marked if tokenizer is not None else None,
        context or families.default_context(family),
        side or (family.model.size if isinstance(family.model, ImageSizes) else 0),
        published,
        _of_timm(family, config, weights),
    )


def _of_timm(family: Family, config: dict[str, Any], weights: dict[str, Tensor]) -> TimmBackbone | None:
    """The model that timm makes of a checked configuration, where timm computes it."""
    if not isinstance(family.model, TimmSizes):
        return None
    arguments = read_config(OtherTimmConfig, config, family.model.architecture).model_args
    return TimmBackbone(family.model, size_arguments(arguments), weights)


def _check_folder(folder: Path, config: dict[str, Any], kind: str) -> None:
    """Raises InvalidProblem for what no folder may ask for, before its weights are read."""
    try:
        families.check_declared(config, str(folder / "config.json"))
        if kind == TEXT and (modules := folder / MODULES).is_file():
            read = read_any_json(modules, "save the model again")
            text_encoders.check_modules(read, str(modules), pools=(folder / POOLING).is_file())
    except InvalidData as error:
        raise InvalidProblem(error.detail) from None


def _tokenizer(folder: Path, vocabulary: int) -> Tokenizer:
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise InvalidData(f"{folder}: there is no tokenizer.json; add the tokenizer of the model")
    tokenizer = load_tokenizer(path, str(path))
    if tokenizer.size > vocabulary:
        raise InvalidData(f"{path}: it knows {tokenizer.size} tokens, the model {vocabulary}; they are of two models")
    return tokenizer


def standardised(test: Features, parts: Sequence[Features]) -> tuple[Features, list[Features]]:
    """Test rows and others, by the centre and spread of each of the test rows' columns, clipped as columns are."""
    centre, spread = centre_and_spread(test)
    return scaled(test, centre, spread), [scaled(part, centre, spread) for part in parts]


def centre_and_spread(test: Features) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centre and spread float64[width] of the test rows' features; a constant one has spread 1."""
    spread = test.std(axis=0, dtype=np.float64)
    return test.mean(axis=0, dtype=np.float64), np.where(spread > 0, spread, 1.0)


def scaled(rows: Features, centre: NDArray[np.float64], spread: NDArray[np.float64]) -> Features:
    """Features as a head takes them."""
    clipped: Features = np.clip((rows - centre) / spread, -CLIP, CLIP).astype(np.float32)
    return clipped
