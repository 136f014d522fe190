"""LoRA adapters of a decoder: beside which projections they stand, of which rank and scale each. Pure.

As hyper-parameters ``rank`` and ``alpha`` hold for every projection, ``rank@q_proj`` for one kind in all layers and
``rank@3.q_proj`` for that of one layer; the narrowest counts. Rank 0 is no adapter. An adapter adds alpha / rank B A x.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from contract.architectures.decoder import Shape
from contract.architectures.decoder_families import KINDS as FAMILY_KINDS
from contract.architectures.decoder_families import kind_of
from contract.architectures.published import PUBLISHED_KINDS, AnySizes
from contract.errors import InvalidProblem

AT = "@"
WHOLE = 4  # measured: products with matrices of other sides round otherwise alone than in a stack
KINDS = (*FAMILY_KINDS, *PUBLISHED_KINDS)
_PART = re.compile(rf"(?:(?:0|[1-9][0-9]{{0,3}})\.)?(?:{'|'.join(KINDS)})")
PART_RULE = (
    f"write NAME{AT}PROJECTION, or NAME{AT}LAYER.PROJECTION for one layer (the first is 0), with a projection of"
    f" {', '.join(KINDS)}"
)

Number = float | int


@dataclass(frozen=True)
class AdapterSize:
    """One adapter's rank, above 0, and alpha."""

    rank: int
    alpha: float

    @property
    def scale(self) -> float:
        return self.alpha / self.rank


Placement = dict[str, AdapterSize]  # by the projection's name in the model, in the layout's order


def is_part(part: str) -> bool:
    """Whether what follows the @ names projections."""
    return _PART.fullmatch(part) is not None


def placement(sizes: AnySizes, hyper: Mapping[str, object]) -> Placement:
    """The adapters that checked hyper-parameters say; raises InvalidProblem for a layer that the model lacks, or where
    no projection has an adapter."""
    for name in hyper:
        layer, dot, _ = name.partition(AT)[2].partition(".")
        if dot and int(layer) >= sizes.layers:
            raise InvalidProblem(
                f"learner 'lm': {name} is of layer {layer}, and the base has layers 0 to {sizes.layers - 1}"
            )
    placed = {}
    for name, _ in sizes.projections():
        layer, kind = _place(name)
        rank, alpha = (_narrowest(hyper, what, layer, kind) for what in ("rank", "alpha"))
        if rank:
            placed[name] = AdapterSize(int(rank), alpha)
    if not placed:
        raise InvalidProblem("learner 'lm': rank is 0 for every projection; leave one an adapter")
    return placed


def hyper_of(sizes: AnySizes, placed: Mapping[str, AdapterSize], rank: int, alpha: float) -> dict[str, Number]:
    """The fewest hyper-parameters that say a placement, ``rank`` and ``alpha`` being those of all others."""
    hyper: dict[str, Number] = {"rank": rank, "alpha": alpha}
    names = [name for name, _ in sizes.projections()]
    for kind in dict.fromkeys(_place(name)[1] for name in names):
        own = [name for name in names if _place(name)[1] == kind]
        ranks: dict[str, Number] = {name: placed[name].rank if name in placed else 0 for name in own}
        alphas: dict[str, Number] = {name: placed[name].alpha for name in own if name in placed}
        for what, values in (("rank", ranks), ("alpha", alphas)):
            if not values:
                continue
            usual = Counter(values.values()).most_common(1)[0][0]
            if usual != hyper[what]:
                hyper[f"{what}{AT}{kind}"] = usual
            for name, value in values.items():
                if value != usual:
                    hyper[f"{what}{AT}{_place(name)[0]}.{kind}"] = value
    return hyper


def kinds_of(sizes: AnySizes) -> tuple[str, ...]:
    """The kinds of projections that a model's layers have."""
    return tuple(dict.fromkeys(_place(name)[1] for name, _ in sizes.projections()))


def adapter_shapes(sizes: AnySizes, placed: Mapping[str, AdapterSize]) -> list[tuple[str, Shape]]:
    """A [rank, in] and B [out, rank] beside each projection that has them, in the layout's order."""
    shapes: list[tuple[str, Shape]] = []
    for name, (out, into) in sizes.projections():
        if name in placed:
            rank = placed[name].rank
            shapes += [(f"{name}.lora_A.weight", (rank, into)), (f"{name}.lora_B.weight", (out, rank))]
    return shapes


def _place(name: str) -> tuple[str, str]:
    """Layer and kind of a projection by its name in the model."""
    return next(part for part in name.split(".") if part.isdigit()), kind_of(name)


def _narrowest(hyper: Mapping[str, object], what: str, layer: str, kind: str) -> float:
    for name in (f"{what}{AT}{layer}.{kind}", f"{what}{AT}{kind}", what):
        if name in hyper:
            return float(hyper[name])  # type: ignore[arg-type]  # checked before
    raise InvalidProblem(f"learner 'lm': {what} is missing")
