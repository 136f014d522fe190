"""A released model as files: what is in the zip beside its card. No torch; the weights are copied as they are.

The same model is the same bytes: members are in order of their names, undeflated, and dated 1980.
"""

import hashlib
import json
import zipfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import IO

import safetensors.numpy

from contract.results.delivery import (
    ADAPTER,
    ADAPTER_CONFIG,
    CONFIG,
    MANIFEST,
    OWN_START,
    PREPROCESSING,
    ModelConfig,
    Preprocessing,
    manifest,
)

CARD = "README.md"
MEDIA_TYPE = "application/zip"


def files_of(config: ModelConfig, preprocessing: Preprocessing, weights: bytes) -> dict[str, bytes]:
    """The files that the manifest names, from the blob of the weights: safetensors, or the archive of an adapter."""
    files = {CONFIG: _json(config.plain()), PREPROCESSING: _json(preprocessing.plain())}
    if config.weights == ADAPTER:
        with zipfile.ZipFile(BytesIO(weights)) as archive:
            return files | {name: archive.read(name) for name in (ADAPTER, ADAPTER_CONFIG)}
    arrays = safetensors.numpy.load(weights)
    if any(name.startswith(OWN_START) for name in arrays):
        weights = safetensors.numpy.save({n: a for n, a in arrays.items() if not n.startswith(OWN_START)})
    return files | {config.weights: weights}


def digests_of(files: Mapping[str, bytes]) -> dict[str, str]:
    """The SHA-256 of each file, by name."""
    return {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}


def digest_of_package(digests: dict[str, str]) -> str:
    """What a certificate names a package by: the SHA-256 of its manifest."""
    return hashlib.sha256(manifest(digests)).hexdigest()


def write(path: Path | IO[bytes], files: Mapping[str, bytes], card: str) -> None:
    """The zip: the files, their manifest and the card."""
    members = {**files, MANIFEST: manifest(digests_of(files)), CARD: card.encode()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in sorted(members.items()):
            archive.writestr(zipfile.ZipInfo(name), content)


def packed(files: Mapping[str, bytes], card: str) -> bytes:
    """The zip in memory."""
    buffer = BytesIO()
    write(buffer, files, card)
    return buffer.getvalue()


def _json(value: object) -> bytes:
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False).encode()
