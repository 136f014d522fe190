"""The encoding of a job as a typed value and as the JSON that games are named by: which columns there are, what each is
read as, the classes. Pure; ``encoding`` fits one and applies it.

The JSON is part of a game's digest. A member that came later is named only where it is chosen, so that games from
before it keep their digests.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from app.datasets.rows import prose
from contract.document import Document
from contract.rows.columns import ColumnBlock
from contract.tasks import TargetScale

Scale = Literal["auto", "none", "standard"]
FeatureKind = Literal["number", "text", "prose", "tensor"]


class PlainFeature(Document):
    """One column as JSON; what a kind has no use for is left out."""

    name: str
    kind: FeatureKind
    center: float | None = None
    spread: float | None = None
    categories: tuple[str, ...] | None = None
    shape: tuple[int, ...] | None = None
    fill: float | str | None = None
    # prose: columns of hashes, and the lengths of the runs of characters that are read beside words
    width: int | None = None
    runs: tuple[int, ...] | None = None
    # Chinese and Japanese are read by characters
    characters: Literal[True] | None = None


class PlainEncoding(Document):
    """An encoding as JSON."""

    target: str
    classes: tuple[str, ...]
    features: tuple[PlainFeature, ...]
    scale: Literal["none", "standard"]
    label_map: dict[str, str] | None = None
    rename: dict[str, str] | None = None
    # centre and spread of a target that is a number
    target_scale: tuple[float, float] | None = None


@dataclass(frozen=True)
class Feature:
    """One column. ``kind`` is "number" (centre, spread), "text" (categories), "prose" (hashed words) or "tensor"
    (shape, centre, spread). ``fill``: what a missing cell becomes, where any file of the job has one; ``runs``: prose
    is read by runs of characters, too, ``characters``: Chinese and Japanese by characters (jobs from before they were
    do not say so)."""

    name: str
    kind: FeatureKind
    center: float = 0.0
    spread: float = 1.0
    categories: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()
    fill: float | str | None = None
    runs: bool = True
    characters: bool = True

    @property
    def width(self) -> int:
        """How many columns of X it becomes (a tensor: its number of elements)."""
        return self._values + (self.fill is not None)

    @property
    def _values(self) -> int:
        if self.kind == "text":
            return len(self.categories) + 1
        if self.kind == "prose":
            return prose.WIDTH
        return int(np.prod(self.shape)) if self.kind == "tensor" else 1

    def document(self) -> PlainFeature:
        """The feature as JSON has it."""
        scaled = self.kind in ("number", "tensor")
        return PlainFeature(
            name=self.name,
            kind=self.kind,
            center=self.center if scaled else None,
            spread=self.spread if scaled else None,
            categories=self.categories if self.kind == "text" else None,
            shape=self.shape if self.kind == "tensor" else None,
            fill=self.fill,
            width=prose.WIDTH if self.kind == "prose" else None,
            runs=prose.RUNS if self.kind == "prose" and self.runs else None,
            characters=True if self.kind == "prose" and self.characters else None,
        )

    @classmethod
    def of(cls, plain: PlainFeature) -> "Feature":
        """The feature that ``document`` wrote."""
        return cls(
            name=plain.name,
            kind=plain.kind,
            center=0.0 if plain.center is None else plain.center,
            spread=1.0 if plain.spread is None else plain.spread,
            categories=plain.categories or (),
            shape=plain.shape or (),
            fill=plain.fill,
            runs=plain.kind != "prose" or plain.runs is not None,
            characters=plain.kind != "prose" or plain.characters is not None,
        )


@dataclass(frozen=True)
class Encoding:
    """How rows become arrays; JSON-able both ways, equal content means equal digest.

    ``label_map`` and ``rename`` are the order's: labels that are others by another spelling, and names of columns.
    Where the target is a number it has a ``target_scale``, and no classes.
    """

    target: str
    classes: tuple[str, ...]
    features: tuple[Feature, ...]
    scale: Literal["none", "standard"]
    label_map: Mapping[str, str] = field(default_factory=dict)
    rename: Mapping[str, str] = field(default_factory=dict)
    target_scale: TargetScale | None = None

    @property
    def outputs(self) -> int:
        """How many outputs a model of these rows has."""
        return 1 if self.target_scale is not None else len(self.classes)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one encoded row: (d,), or an image's own."""
        first = self.features[0]
        return first.shape if first.kind == "tensor" else (sum(feature.width for feature in self.features),)

    @property
    def blocks(self) -> tuple[ColumnBlock, ...]:
        """What columns each column of the table became, in order; none of rows that have a shape."""
        if self.features[0].kind == "tensor":
            return ()
        return tuple(
            ColumnBlock(feature.width - (feature.fill is not None), feature.kind == "text", feature.fill is not None)
            for feature in self.features
        )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types; what came later is named only where it is chosen."""
        document = PlainEncoding(
            target=self.target,
            classes=self.classes,
            features=tuple(feature.document() for feature in self.features),
            scale=self.scale,
            label_map=dict(self.label_map) or None,
            rename=dict(self.rename) or None,
            target_scale=None if self.target_scale is None else (self.target_scale.center, self.target_scale.spread),
        )
        return document.model_dump(mode="json", exclude_none=True)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Encoding":
        """The encoding that ``to_json`` wrote; raises ValueError for anything else."""
        plain = PlainEncoding.read(data)
        return cls(
            target=plain.target,
            classes=plain.classes,
            features=tuple(Feature.of(feature) for feature in plain.features),
            scale=plain.scale,
            label_map=plain.label_map or {},
            rename=plain.rename or {},
            target_scale=None if plain.target_scale is None else TargetScale(*plain.target_scale),
        )

    @property
    def digest(self) -> str:
        """Hex SHA-256 of the canonical JSON."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True, separators=(",", ":")).encode()).hexdigest()
