"""``python -m benchmarks [--quick] [--games A,B] [--seeds N] [exact|fidelity|forgetting|removal|peers|scale|report
...]``.

Without names everything is run and docs/benchmarks.md is written anew from the cells. A cell that was measured before
is not measured again (CHERISH_BENCH_FRESH=1 does), so a run that was stopped goes on. ``--quick`` takes two seeds
instead of five and smaller references: well under an hour on two cores.
"""

import argparse
import os

from benchmarks.markets import BAR_GAMES

NAMES = ("exact", "fidelity", "forgetting", "removal", "peers", "scale", "report")
SEEDS, QUICK_SEEDS = 5, 2


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="measure the engine")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which of {', '.join(NAMES)}; none means all")
    parser.add_argument("--quick", action="store_true", help="two seeds, smaller references")
    parser.add_argument("--games", default=",".join([*BAR_GAMES, "digits-logistic"]))
    parser.add_argument("--seeds", type=int, default=None)
    chosen = parser.parse_args()
    unknown = set(chosen.names) - set(NAMES)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; choose among {', '.join(NAMES)}")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    run(
        chosen.names or NAMES,
        chosen.games.split(","),
        chosen.seeds or (QUICK_SEEDS if chosen.quick else SEEDS),
        chosen.quick,
    )


def run(names: tuple[str, ...] | list[str], games: list[str], seeds: int, quick: bool) -> None:
    # Imported here, because torch and numpy read the number of threads when they are first imported.
    from benchmarks import exact, fidelity, forgetting, removal, report, scale, store
    from benchmarks.peers import side_by_side

    every, dear = range(seeds), 1 if quick else seeds  # the dearest methods on one seed in a quick run
    print("cells under", store.folder(), flush=True)
    if "exact" in names:
        exact.measure(games, every)
    if "fidelity" in names:
        fidelity.measure(games, every, dear)
    if "forgetting" in names:
        forgetting.measure(games, every, dear)
    if "removal" in names:
        removal.measure(games, every)
    if "scale" in names:
        scale.measure(reference=1024 if quick else scale.REFERENCE)
    if "peers" in names:
        side_by_side.measure(range(1 if quick else 3), side_by_side.QUICK if quick else side_by_side.CONFIGS)
    if "report" in names:
        report.write()


if __name__ == "__main__":
    main()
