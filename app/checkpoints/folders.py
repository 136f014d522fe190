"""Model folders as one upload: a zip of configuration, tokenizer and safetensors, checked and packed again in order.

An archive is checked before a byte of it is unpacked, and what comes out is counted again. Only files that are read
later are kept; pickles, code and TorchScript never are. The files are stored unpacked, sorted and without dates, so the
same files are the same bytes, whoever packed them: the digest of the archive is that of the model. No torch here. What
reads an archive's table, JSON or a header runs in the sandbox (``inspection``); unpacking and packing do not.
"""

import json
import stat
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from app.checkpoints.adapters import adapter_sizes, read_plain
from app.checkpoints.families import BYTES, Family, TextSizes, check_declared
from app.checkpoints.limits import CheckpointLimits
from app.checkpoints.text_encoders import check_modules, pooled
from app.checkpoints.weights import read_tensors
from app.datasets.readers.sources import BAD_ARCHIVE
from app.errors import InvalidData, PayloadTooLarge
from contract.architectures.model_folder import ModelFacts, Shapes, TensorFacts
from contract.architectures.packed_folder import CONFIG, INDEX, TOKENIZER, WEIGHTS, pack
from contract.architectures.published import AnySizes, decoder_sizes

POOLING, MODULES = "1_Pooling/config.json", "modules.json"
ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".dill", ".h5", ".keras", ".msgpack")
MAX_RATIO = 200
_SMALL, _CHUNK = 1024**2, 1024**2
_USUAL = CheckpointLimits()
Tensors = dict[str, TensorFacts]
Files = Mapping[str, Path]
"""The files of a folder by their names there; where their bytes lie may be called otherwise."""


@dataclass(frozen=True)
class CheckedFolder:
    """A folder that was checked: its weights' names and shapes, the facts of its model, and the files to keep."""

    tensors: Tensors
    facts: ModelFacts
    kept: tuple[str, ...]


def check_base(
    files: Files, name: str, read: Callable[[Any, str, Shapes], Family], limits: CheckpointLimits = _USUAL
) -> CheckedFolder:
    """Check the files of a base model, a frozen encoder or a backbone; ``read`` makes a ``Family`` of config.json and
    the shapes of the arrays beside it.

    Raises InvalidData. The facts lack the sizes of files, which ``write`` knows.
    """
    config = _json(files, CONFIG, name)
    check_declared(config, f"{name}: {CONFIG}")
    tensors, weights = _tensors(files, WEIGHTS, name, limits)
    family = read(config, f"{name}: {CONFIG}", {label: entry.shape for label, entry in tensors.items()})
    pools = (POOLING,) if POOLING in files and isinstance(family.model, TextSizes) else ()
    if pools:
        family = pooled(family, _json(files, POOLING, name), f"{name}: {POOLING}")
    if MODULES in files and isinstance(family.model, TextSizes):
        check_modules(_read_json(files, MODULES, name), f"{name}: {MODULES}", pools=POOLING in files)
    tokenizer = TOKENIZER if family.vocabulary and TOKENIZER in files else None
    by_bytes = isinstance(family.model, AnySizes) and not isinstance(family.model, TextSizes)
    if tokenizer is None and family.vocabulary != (BYTES if by_bytes else 0):
        raise InvalidData(
            f"{name}: there is no {TOKENIZER}, and a vocabulary of {family.vocabulary} is not the {BYTES} "
            "bytes'; add the tokenizer of the model (save_pretrained of a fast tokenizer writes it)"
        )
    tensors = {family.plain_name(label): entry for label, entry in tensors.items() if not family.is_spare(label)}
    check_shapes(tensors, family.shapes, name)
    facts = ModelFacts(
        family=family.name,
        sizes=family.sizes,
        vocabulary=family.vocabulary,
        width=family.width,
        parameters=family.parameters,
        multiplications=family.multiplications,
        tokenizer=tokenizer,
    )
    # the mean is what a folder without a word of it is read as
    pools = pools if "pooling" in family.sizes else ()
    return CheckedFolder(tensors, facts, (CONFIG, *pools, *weights, *([tokenizer] if tokenizer else [])))


def check_adapter(files: Files, name: str, base: ModelFacts, limits: CheckpointLimits = _USUAL) -> CheckedFolder:
    """The same for a PEFT LoRA folder on a base of these facts; its own sizes are ranks and alphas."""
    config, what = _json(files, ADAPTER_CONFIG, name), f"{name}: {ADAPTER_CONFIG}"
    read_plain(config, what)  # before its arrays, which other kinds name otherwise
    tensors, weights = _tensors(files, ADAPTER_WEIGHTS, name, limits)
    sizes, shapes = adapter_sizes(config, tensors, decoder_sizes(base.sizes), what)
    check_shapes(tensors, shapes, name)
    return CheckedFolder(tensors, ModelFacts(family="lora", sizes=sizes), (ADAPTER_CONFIG, *weights))


def members(source: Path, name: str, max_bytes: int, limits: CheckpointLimits = _USUAL) -> list[tuple[str, str]]:
    """What is to be unpacked of a zip: each member with its name in the folder. Raises InvalidData, PayloadTooLarge."""
    try:
        with zipfile.ZipFile(source) as archive:
            return [(info.filename, file) for info, file in _checked(archive, name, max_bytes, limits)]
    except BAD_ARCHIVE as error:
        raise _no_archive(name, error) from None


def unpack(source: Path, folder: Path, name: str, chosen: Iterable[tuple[str, str]]) -> dict[str, Path]:
    """The ``chosen`` members of a zip that ``members`` has checked, as files in ``folder``; counted while unpacked."""
    files = {}
    try:
        with zipfile.ZipFile(source) as archive:
            for member, file in chosen:
                files[file] = _place(folder, file)
                _extract(archive, archive.getinfo(member), files[file], name)
    except BAD_ARCHIVE as error:
        raise _no_archive(name, error) from None
    return files


def _place(folder: Path, file: str) -> Path:
    """Where a member of a model folder is unpacked: beside the others, also the one of a folder within it."""
    return folder / file.replace("/", "_")


def _no_archive(name: str, error: Exception) -> InvalidData:
    return InvalidData(
        f"{name}: this is no zip archive that can be read ({error}); zip the model folder: config.json, "
        "tokenizer.json, safetensors"
    )


def check_shapes(tensors: Mapping[str, TensorFacts], expected: Shapes, name: str) -> None:
    """Raises InvalidData for the first weight, by name, that is missing, foreign or of another shape."""
    for label in sorted(expected.keys() | tensors.keys()):
        shape = tensors[label].shape if label in tensors else None
        if shape == expected.get(label):
            continue
        fault = "is missing" if shape is None else f"has shape {list(shape)}"
        rule = f"it is {list(expected[label])}" if label in expected else "there is no such weight"
        raise InvalidData(f"{name}: array `{label}` {fault}; in a model of this configuration {rule}")


def _checked(
    archive: zipfile.ZipFile, name: str, max_bytes: int, limits: CheckpointLimits
) -> list[tuple[zipfile.ZipInfo, str]]:
    """The members to be read, each with its name in the folder: the archive's own, or that below its one top folder."""
    infos = [info for info in archive.infolist() if not info.is_dir()]
    if len(infos) > limits.max_members:
        raise InvalidData(
            f"{name}: the archive has {len(infos)} members, and {limits.max_members} are allowed; pack fewer"
        )
    tops = {PurePosixPath(info.filename).parts[:1] for info in infos}
    nested = len(tops) == 1 and all(len(PurePosixPath(info.filename).parts) > 1 for info in infos)
    members: dict[str, zipfile.ZipInfo] = {}
    pickles = sorted(info.filename for info in infos if info.filename.endswith(PICKLES))
    total = 0
    for info in infos:
        parts = PurePosixPath(info.filename).parts[1 if nested else 0 :]
        file = "/".join(parts)
        if len(parts) != 1 and file != POOLING:
            continue  # no other folder within the folder holds anything that is read
        if not _is_read(file):
            continue
        if file in members:
            raise InvalidData(f"{name}: `{file}` is in the archive twice; names must be unique")
        _check_member(info, file, name, limits)
        total += info.file_size
        members[file] = info
    if total > max_bytes:
        raise PayloadTooLarge(
            f"{name}: its files have {total} bytes, and {max_bytes} are allowed; send a smaller model"
        )
    if not any(file.endswith(".safetensors") for file in members):
        if pickles:
            raise InvalidData(
                f"{name}: `{pickles[0]}`: pickled weights are never opened, nor is TorchScript; save them as "
                "safetensors (model.save_pretrained(folder, safe_serialization=True))"
            )
        raise InvalidData(f"{name}: the archive holds no .safetensors file; save the weights as safetensors")
    return [(members[file], file) for file in sorted(members)]


def _is_read(file: str) -> bool:
    return file in (CONFIG, TOKENIZER, ADAPTER_CONFIG, POOLING, MODULES) or file.endswith(
        (".safetensors", f".safetensors{INDEX}")
    )


def _check_member(info: zipfile.ZipInfo, file: str, name: str, limits: CheckpointLimits) -> None:
    if file.startswith(".") or "\\" in file or "\0" in file:
        raise InvalidData(f"{name}: the member name {file[:80]!r} is not one of a model folder")
    if stat.S_ISLNK(info.external_attr >> 16):
        raise InvalidData(f"{name}: `{file}` is a link; pack the file that it leads to")
    if info.flag_bits & 0x1:
        raise InvalidData(f"{name}: `{file}` is encrypted; pack it without a password")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise InvalidData(f"{name}: `{file}` is packed in a way that is not read here; use plain deflate")
    if info.file_size > _SMALL and info.file_size > MAX_RATIO * max(1, info.compress_size):
        raise InvalidData(
            f"{name}: `{file}` unpacks to {info.file_size} bytes from {info.compress_size}, more than {MAX_RATIO} to 1;"
            " this is how archives that only fill disks look"
        )
    if file.endswith(".json") and file != TOKENIZER and info.file_size > limits.max_json_bytes:
        raise InvalidData(
            f"{name}: `{file}` has {info.file_size} bytes, and {limits.max_json_bytes} are allowed; shorten it"
        )


def _extract(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path, name: str) -> None:
    left = info.file_size
    with archive.open(info) as packed, path.open("wb") as file:
        while chunk := packed.read(_CHUNK):
            left -= len(chunk)
            if left < 0:
                break
            file.write(chunk)
    if left:
        raise InvalidData(f"{name}: `{path.name}` does not have the size that the archive says; pack it again")


def _json(files: Files, file: str, name: str) -> dict[str, Any]:
    content = _read_json(files, file, name)
    if not isinstance(content, dict):
        raise InvalidData(f"{name}: {file} is not a JSON object; save the model again")
    return content


def _read_json(files: Files, file: str, name: str) -> Any:
    if file not in files:
        raise InvalidData(f"{name}: there is no {file}; a model folder holds one beside its safetensors")
    try:
        return json.loads(files[file].read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InvalidData(f"{name}: {file} is not JSON ({error}); save the model again") from None


def _tensors(files: Files, file: str, name: str, limits: CheckpointLimits) -> tuple[Tensors, list[str]]:
    """Names and shapes of all weights, and the files to keep: one safetensors, or an index and the shards it names."""
    index = f"{file}{INDEX}"
    if file in files:
        shards, kept = [file], [file]
    elif index in files:
        named = _json(files, index, name).get("weight_map")
        shards = sorted({str(shard) for shard in named.values()}) if isinstance(named, dict) else []
        if not shards or any(Path(shard).name != shard for shard in shards):
            raise InvalidData(f"{name}: {index} names no shard, or one outside the folder")
        kept = [index, *shards]
    else:
        raise InvalidData(f"{name}: there is no {file} among {', '.join(sorted(files))}; name the weights' file so")
    tensors: Tensors = {}
    for shard in shards:
        if shard not in files:
            raise InvalidData(f"{name}: the index names {shard}, which is not there; pack all shards")
        for label, entry in read_tensors(files[shard], f"{name}: {shard}", folder=True, limits=limits).items():
            if label in tensors:
                raise InvalidData(f"{name}: array `{label}` is in two shards; save the model again")
            tensors[label] = entry
    return tensors, kept


def write(folder: Path, files: Iterable[str], packed: Path) -> dict[str, int]:
    """Write the archive that is stored; returns the size of each file."""
    return pack({file: _place(folder, file) for file in files}, packed)
