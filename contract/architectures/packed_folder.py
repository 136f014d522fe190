"""A model's folder as one archive: the same files are the same bytes, whoever packs them: their digest names the model.

The service stores an uploaded folder so; who keeps a copy of the folder elsewhere finds the same digest. Pure.
"""

import hashlib
import os
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

CONFIG, TOKENIZER, WEIGHTS = "config.json", "tokenizer.json", "model.safetensors"
INDEX = ".index.json"
# counters, masks and speeds of rotation that some models keep beside their weights; nothing is computed from them
COUNTERS = (
    *("num_batches_tracked", "position_ids"),
    *(".attn.bias", ".attention.bias", ".masked_bias", ".rotary_emb.inv_freq"),
)
_CHUNK = 1024**2


def pack(files: Mapping[str, Path], packed: Path) -> dict[str, int]:
    """Write the archive of files by their names in the folder: unpacked, sorted, without dates; returns their sizes."""
    sizes = {}
    partial = packed.with_name(f"{packed.name}.packed")
    try:
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
            for file in sorted(files):
                info = zipfile.ZipInfo(file, (1980, 1, 1, 0, 0, 0))
                info.file_size = sizes[file] = files[file].stat().st_size
                with files[file].open("rb") as source, archive.open(info, "w") as member:
                    while chunk := source.read(_CHUNK):
                        member.write(chunk)
        os.replace(partial, packed)
    finally:
        partial.unlink(missing_ok=True)
    return sizes


def packed_digest(files: Mapping[str, Path]) -> str:
    """The digest that the archive of these files has."""
    with tempfile.TemporaryDirectory() as folder:
        packed = Path(folder) / "packed"
        pack(files, packed)
        with packed.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
