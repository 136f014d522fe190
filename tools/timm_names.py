"""Writes contract/architectures/timm_names.py: the architectures of the timm that is installed, by their classifiers.

Each is built without numbers (on torch's device "meta") and shown one image; what gives no single row of features is
listed apart, with the reason. About eight minutes on one core; after a change of timm's pin:

    .venv/bin/python tools/timm_names.py
"""

import os
import sys
import textwrap
import warnings
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "contract" / "architectures" / "timm_names.py"
_HEAD = '''"""Names of timm's architectures, by the layers that make classes of features.

Written by tools/timm_names.py.
"""

VERSION = "{version}"
'''
_MOST_SHOWN = 60


class Looked(NamedTuple):
    """The names of an architecture's last layers, whether a row is of another length than timm's ``num_features``, and
    why it gives no features (None: it does)."""

    heads: tuple[str, ...]
    wider: bool = False
    fault: str | None = None


def looked_at(timm: Any, torch: Any, name: str) -> Looked:
    try:
        with torch.device("meta"):
            model = timm.create_model(name, pretrained=False, num_classes=0).eval()
        about = model.pretrained_cfg
        made = model(torch.zeros(2, *about["input_size"], device="meta"))
    except Exception as error:
        return Looked((), fault=f"which fails on an image ({str(error).splitlines()[0][:_MOST_SHOWN]})")
    heads = about.get("classifier") or ()
    heads = (heads,) if isinstance(heads, str) else tuple(heads)
    if about["input_size"][0] != 3 or about["input_size"][1] != about["input_size"][2]:
        return Looked(heads, fault="which is made for images that are no squares")
    if not torch.is_tensor(made) or made.dim() != 2 or len(made) != 2:
        return Looked(heads, fault="which makes no single row of features of an image")
    return Looked(heads, made.shape[1] != model.num_features)


def wrapped(names: list[str], indent: int) -> str:
    lines = textwrap.fill(" ".join(names), 120 - indent, break_on_hyphens=False, break_long_words=False)
    return textwrap.indent(lines, " " * indent)


def written(version: str, found: dict[str, Looked]) -> str:
    """The module's text."""
    groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for name, looked in sorted(found.items()):
        if looked.fault is None:
            groups[looked.heads].append(name)
    lines = [_HEAD.format(version=version), "_NAMES: dict[tuple[str, ...], str] = {"]
    for heads, names in sorted(groups.items()):
        shown = ", ".join(f'"{head}"' for head in heads) + ("," if len(heads) == 1 else "")
        lines.append(f'    ({shown}): """\n{wrapped(names, 8)}\n    """,')
    lines += ["}", "CLASSIFIERS = {name: heads for heads, names in _NAMES.items() for name in names.split()}"]
    lines += ["# whose rows are as long as what the classifier takes, and not as timm's num_features says"]
    wider = wrapped([name for name, each in sorted(found.items()) if each.wider], 4)
    lines += ['_WIDER = """', wider, '"""', "WIDER = frozenset(_WIDER.split())"]
    lines += ["# why the others are no backbones", "NO_FEATURES: dict[str, str] = {"]
    lines += [f'    "{name}": "{each.fault}",' for name, each in sorted(found.items()) if each.fault is not None]
    return "\n".join([*lines, "}", ""])


def main() -> int:
    os.environ["HF_HUB_OFFLINE"] = "1"
    sys.path.insert(0, str(ROOT))
    import torch

    from worker.engine.learners.outside.torchvision_import import make_torchvision_importable

    make_torchvision_importable()
    import timm

    warnings.simplefilter("ignore")
    with torch.no_grad():
        found = {name: looked_at(timm, torch, name) for name in timm.list_models()}
    TARGET.write_text(written(timm.__version__, found), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
