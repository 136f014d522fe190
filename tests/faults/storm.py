"""``python -m tests.faults.storm N``: N seeded faults on several stacks side by side, and what they changed.

The faults come job by job, each kind as often as any other; every job must end as the undisturbed one did. What a batch
of faults led to is one file, so that a run that was stopped goes on where it was. The same seed gives the same faults
in the same order, whatever the number of stacks.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tests.faults import injections
from tests.faults.market import SHORT, Job, StormyMarket
from tests.faults.upped import FACTOR, SOURCE, Upped

_BATCH = 11  # faults that are told together
_BATCHES = 8  # of one stack, before it is taken down and another one begins
_LOST = 5  # stacks that did not come up or did not end well, before a part is given up


def faults_of(seed: int, faults: int, batch: int = _BATCH) -> list[list[str]]:
    """Names of faults, batch by batch, drawn without replacement until all have been used, then again."""
    rng = np.random.default_rng(seed)
    names: list[str] = []
    while len(names) < faults:
        names += [str(name) for name in rng.permutation(sorted(injections.FAULTS))]
    return [names[start : min(start + batch, faults)] for start in range(0, faults, batch)]


@contextlib.contextmanager
def raised(settings: dict[str, str] = SHORT) -> Iterator[StormyMarket]:
    """A stack with a market on it; afterwards nothing of it is left, or that is an error."""
    # the path of a socket must be short
    place = Upped(Path("/tmp") / f"cherish-faults-{uuid.uuid4().hex[:8]}", settings)  # noqa: S108
    try:
        place.start()
        with contextlib.closing(StormyMarket.on(place)) as market:
            yield market
        assert place.end() == 0, f"the end was not orderly; see {place.log}"
        assert (left := place.orphans()) == [], left
        assert (left := [str(each) for each in place.temporary.rglob("*/*")]) == [], left
    finally:
        place.destroy()
        shutil.rmtree(place.temporary, ignore_errors=True)


def calm_answer(market: StormyMarket) -> str:
    """The answer of the undisturbed job."""
    job = market.post()
    ended = job.end(240 * FACTOR)
    assert ended["status"] == "succeeded", ended
    return job.answer()


def brave(
    market: StormyMarket,
    calm: str,
    faults: list[str],
    rng: np.random.Generator,
    known: Mapping[str, injections.Fault] = injections.FAULTS,
) -> tuple[int, list[str]]:
    """Jobs under these faults, each of which meets one under way: how many jobs it took, and what was wrong."""
    wrong: list[str] = []
    jobs: list[Job] = []
    for name in faults:
        worths = int(rng.integers(1, 4))
        if market.job is None or not market.goes_on_to(worths):
            if market.job is not None:
                wrong += market.verdict(market.job, calm)
            market.job = market.post()
            jobs.append(market.job)
            market.under_way(market.job, worths)
        begun = time.monotonic()
        known[name](market, rng)
        print(f"{market.place.home.name}: {name} {time.monotonic() - begun:.1f} s", flush=True)
    if market.job is not None:
        wrong += market.verdict(market.job, calm)
        market.job = None
    return len(jobs), wrong


def _part(args: argparse.Namespace, folder: Path) -> None:
    """One stack after the other, for the batches that fall to this process."""
    todo = [
        (number, names)
        for number, names in enumerate(faults_of(args.seed, args.faults))
        if number % args.stacks == args.part and not _told(folder, number).exists()
    ]
    lost = 0
    while todo:
        try:
            with raised() as market:
                calm = _agreed(folder, calm_answer(market))
                for number, names in todo[:_BATCHES]:
                    if not _batch(market, calm, folder, args.seed, number, names):
                        # what comes next shall not suffer from it
                        break
        except Exception:
            lost += 1
            (folder / f"stack-{os.getpid()}-{lost}.txt").write_text(traceback.format_exc())
            if lost == _LOST:
                raise
        todo = [(number, names) for number, names in todo if not _told(folder, number).exists()]


def _batch(market: StormyMarket, calm: str, folder: Path, seed: int, number: int, names: list[str]) -> bool:
    begun = time.monotonic()
    jobs, wrong = 0, []
    try:
        jobs, wrong = brave(market, calm, names, np.random.default_rng([seed, number]))
    except Exception:
        wrong = [traceback.format_exc(), *market.wrong]
    if wrong:
        shutil.copytree(market.place.home / "logs", folder / f"logs-{number:04}", dirs_exist_ok=True)
        assert isinstance(market.place, Upped)
        shutil.copy(market.place.log, folder / f"logs-{number:04}" / "up.log")
    told = {"faults": names, "jobs": jobs, "seconds": round(time.monotonic() - begun, 1), "wrong": wrong}
    beside = _told(folder, number).with_suffix(".part")
    beside.write_text(json.dumps(told, indent=1))
    beside.rename(_told(folder, number))
    return not wrong


def _told(folder: Path, number: int) -> Path:
    return folder / f"batch-{number:04}.json"


def _agreed(folder: Path, calm: str) -> str:
    """The undisturbed answer of all stacks of a run: it must be the same on each."""
    path = folder / "calm.json"
    if not path.exists():
        beside = path.with_suffix(f".{os.getpid()}")
        beside.write_text(calm)
        beside.rename(path)
    known = path.read_text()
    assert calm == known, f"two undisturbed stacks differ:\n{calm}\n{known}"
    return known


def report(folder: Path, seed: int, faults: int) -> int:
    """Print what the batches told; how many of them went wrong or are missing."""
    batches = [
        json.loads(path.read_text()) if (path := _told(folder, number)).exists() else None
        for number in range(len(faults_of(seed, faults)))
    ]
    told = [batch for batch in batches if batch is not None]
    kinds = Counter(name for batch in told for name in batch["faults"])
    for name, count in sorted(kinds.items()):
        print(f"{count:5} {name}")
    bad = [batch for batch in told if batch["wrong"]]
    for batch in bad:
        print("WRONG after", ", ".join(batch["faults"]), *batch["wrong"], sep="\n    ")
    stacks = sorted(folder.glob("stack-*.txt"))
    for path in stacks:
        print("WRONG with a stack:", path.read_text(), sep="\n    ")
    missing = len(batches) - len(told)
    print(
        f"seed {seed}: {sum(kinds.values())} faults, {sum(batch['jobs'] for batch in told)} jobs, "
        f"{sum(batch['seconds'] for batch in told) / 60:.0f} minutes of stacks; "
        f"{len(bad)} batches of {len(told)} went wrong, {missing} are missing, {len(stacks)} stacks came to no good end"
    )
    return len(bad) + missing + len(stacks)


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.storm", description=__doc__)
    parser.add_argument("faults", type=int)
    parser.add_argument("--seed", type=int, default=int(os.environ.get("CHERISH_FAULTS_SEED", "0")))
    parser.add_argument("--stacks", type=int, default=2, help="side by side; each takes about 1.5 GiB")
    parser.add_argument("--folder", type=Path, default=SOURCE / ".cherish" / "faults", help="what was told so far")
    parser.add_argument("--part", type=int, default=None, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    folder = args.folder / f"seed-{args.seed}"
    folder.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, _interrupt)
    if args.part is not None:
        _part(args, folder)
        return 0
    own = [sys.executable, "-m", "tests.faults.storm", str(args.faults), f"--seed={args.seed}"]
    own += [f"--stacks={args.stacks}", f"--folder={args.folder}"]
    parts = [subprocess.Popen([*own, f"--part={part}"], cwd=SOURCE) for part in range(args.stacks)]
    try:
        for part in parts:
            part.wait()
    finally:
        for part in parts:
            if part.poll() is None:
                part.terminate()
                part.wait()
    return 1 if report(folder, args.seed, args.faults) else 0


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
