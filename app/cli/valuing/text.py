"""Language models on the command line: files and folders of text become the blocks of learner ``lm``.

``--model lm:context=128,steps=60`` says how long a block is beside the learner's own hyper-parameters; ``--base`` is a
model folder in the Hugging Face layout; ``--checkpoint``, where given, a PEFT adapter of the model trained on everyone.
A provider is one corpus (a name given twice has several); each file of a test folder is a domain. It starts no server,
opens no database and reaches no network.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from app.cli.valuing.local_files import LocalFile, Notice, read_together, unnoticed
from app.cli.valuing.request import ValueRequest, engine_errors
from app.cli.valuing.row_sources import RowSources
from app.datasets.rows.corpora import BYTES, blocks_of, format_of, read_file, stand_ins, text_files
from app.datasets.rows.groups import runs
from app.datasets.rows.tokens import Encode
from app.errors import InvalidInput
from contract.rows.files import AS_IT_IS
from contract.rows.token_blocks import tokens_of

if TYPE_CHECKING:
    from worker.engine.evaluation.evaluator import Evaluator
    from worker.engine.games.problem import PlayerData, Rows

CONTEXT = 128


@dataclass(frozen=True)
class Corpora:
    """How this request's texts become blocks: context, tokenizer (None: bytes), vocabulary."""

    context: int = CONTEXT
    encode: Encode | None = None
    vocabulary: int = BYTES
    request: ValueRequest | None = None

    def documents(self, path: Path, name: str, named: str = "") -> tuple[list[NDArray[np.float32]], NDArray[np.int64]]:
        """Blocks float32[n, context + 1] of each document of a file, none of one of less than two tokens, and the
        documents' numbers among all of the file, from 1. The request calls it ``named`` where it declares how it is
        read."""
        reading = AS_IT_IS if self.request is None else self.request.reading(named or str(path))
        read = read_file(path, name, reading)
        blocks = blocks_of([tokens_of(text, self.encode) for text in read.texts], self.context, name)
        return blocks, np.array(read.numbers, dtype=np.int64)

    def player(self, name: str, files: Sequence[LocalFile], sources: RowSources | None = None) -> "PlayerData":
        from worker.engine.games.problem import PlayerData

        documents = [self.documents(file.path, file.name, file.named) for file in files]
        if sources is not None:
            sources.documents = True
            for file, (parts, numbers) in zip(files, documents, strict=True):
                X = np.concatenate(parts)
                whose = np.repeat(numbers, [len(part) for part in parts])
                sources.add(name, str(file.path), whose, X, np.zeros(len(X), dtype=np.int64))
        blocks = np.concatenate([block for parts, _ in documents for block in parts])
        labels = np.zeros(len(blocks), dtype=np.int64)
        # named as the service names the same blocks, so that the same texts are the same game
        return PlayerData(name, blocks, labels, stand_ins(blocks, labels).digest)

    def rows(self, file: str, name: str) -> "Rows":
        """Blocks whose labels number their domains: the files of a folder, by name."""
        from worker.engine.games.problem import Rows

        parts = [self.documents(each, f"{name} ({each.name})", file)[0] for each in domains(Path(file))]
        labels = np.repeat(np.arange(len(parts)), [sum(map(len, part)) for part in parts])
        documents = [blocks for part in parts for blocks in part]
        whose = np.repeat(np.arange(len(documents)), [len(blocks) for blocks in documents])
        return Rows(np.concatenate(documents), labels, name, runs(whose.tolist()))


def domains(path: Path) -> list[Path]:
    """The files that are a test set's domains, by name; a file is one domain."""
    if not path.is_dir():
        return [path]
    return text_files(path)


def _looked_at(request: ValueRequest, notice: Notice) -> list[LocalFile]:
    """The players' files, once the sandbox has read them, those of a test set and of the rest; folders are their files.

    A player whose files do not fit together with the rest is left out where the request lets it be.
    """
    tested, *tests = _texts(request.test, "the test set", None)
    rest = _texts(request.rest, "the rest", None) if request.rest else []
    players = [file for name, source in request.providers for file in _texts(source, f"{name} ({source})", name)]
    _, used = read_together(request, "corpora", tested, [*tests, *players, *rest], notice)
    return [file for file in used if file.player is not None]


def _texts(source: str, name: str, player: str | None) -> list[LocalFile]:
    path = Path(source)
    if not path.is_dir():
        return [LocalFile(name, path, player, source, format_of(path) or "" if path.is_file() else "")]
    files = text_files(path, recursive=player is not None)
    return [LocalFile(f"{name}, {file.name}", file, player, source, format_of(file) or "") for file in files]


def evaluator_of_texts(
    request: ValueRequest,
    hyper: dict[str, float | int | str],
    threads: int,
    notice: Notice = unnoticed,
    sources: RowSources | None = None,
) -> "tuple[Evaluator, dict[str, str]]":
    """The game of a request whose model is ``lm``, and the digests that name what it rests on; where each document
    stands is given to ``sources``."""
    from worker.engine.evaluation.evaluator import Evaluator
    from worker.engine.games.problem import LearnerSpec, Problem
    from worker.loading.model_folders import read_adapter, read_base

    if request.base is None:
        raise InvalidInput(
            "--model lm: adapters need a base model; give --base FOLDER (config.json, safetensors, tokenizer.json), or"
            " see `cherish demo --text`, which trains a small one"
        )
    context = hyper.pop("context", CONTEXT)
    if not isinstance(context, int):
        raise InvalidInput(f"--model lm: context must be a whole number; got {context!r}")
    with engine_errors():
        base = read_base(Path(request.base))
        checkpoint: dict[str, Any] = {f"frozen.{name}": array for name, array in base.weights.items()}
        if request.checkpoint:
            sizes, arrays = read_adapter(Path(request.checkpoint), base.sizes)
            hyper = {**sizes, **hyper}
            checkpoint |= arrays
        corpora = Corpora(context, base.encode, base.vocabulary, request)
        by_name: dict[str, list[LocalFile]] = {}
        for file in _looked_at(request, notice):
            by_name.setdefault(file.player or "", []).append(file)
        test = corpora.rows(request.test, "the test set")
        problem = Problem(
            players=[corpora.player(name, files, sources) for name, files in by_name.items()],
            test=test,
            classes=base.vocabulary,
            learner=LearnerSpec("lm", {**base.hyper, **hyper}),
            metric=request.metric,
            mode=request.mode,
            seed=request.seed,
            rest=corpora.rows(request.rest, "the rest") if request.rest else None,
            checkpoint=checkpoint,
        )
        evaluator = Evaluator(problem, request.device, threads=threads)
    return evaluator, {"test": test.digest, "base": _digest(checkpoint)}


def _digest(arrays: dict[str, Any]) -> str:
    hasher = hashlib.sha256()
    for name in sorted(arrays):
        hasher.update(f"{name} {arrays[name].shape}".encode())
        hasher.update(np.ascontiguousarray(arrays[name]).tobytes())
    return hasher.hexdigest()
