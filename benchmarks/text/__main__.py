"""``python -m benchmarks.text [--seeds 0,1] [--part I/N] [reference|again|compare|dear|loop|partial|report ...]``.

``reference`` trains what is missing of the exact game (several processes may share it, each with its --part);
``again`` trains them all with another seed: how far retraining agrees with itself;
``compare``, ``dear`` (on a sample of coalitions) and ``partial`` measure the methods, ``loop`` a job's errors and
intervals; ``report`` writes docs/benchmarks-text.md. CHERISH_TEXT_GAME=alike takes the game of providers who are alike
and its page. Nothing is measured twice.
"""

import argparse
import os

NAMES = ("reference", "again", "compare", "dear", "loop", "partial", "report")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.text", description="measure the language-model game")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which of {', '.join(NAMES)}; none means all")
    parser.add_argument("--seeds", default="0", help="seeds of the game, with commas")
    parser.add_argument("--part", default="0/1", help="where among the coalitions this process begins, as I/N")
    chosen = parser.parse_args()
    unknown = set(chosen.names) - set(NAMES)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; choose among {', '.join(NAMES)}")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # Imported here, because torch and numpy read the number of threads when they are first imported.
    from benchmarks.text import compare, game, reference, report

    names, seeds = chosen.names or NAMES, tuple(int(seed) for seed in chosen.seeds.split(","))
    part, parts = (int(number) for number in chosen.part.split("/"))
    for seed in seeds:
        if "reference" in names:
            reference.measure(seed, part, parts)
        if "again" in names:
            reference.measure(seed, part, parts, compare.AGAIN)
        if "compare" in names:
            for name in compare.CHEAP:
                compare.method(seed, name)
        if "dear" in names:
            for name in compare.DEAR:
                compare.method(seed, name)
        if "loop" in names:
            for budget in compare.BUDGETS:
                compare.loop(seed, budget)
        if "partial" in names:
            for hidden in game.GAME.hidden:
                for name in compare.PARTIAL:
                    compare.partial(seed, hidden, name)
                if reference.is_whole(seed, compare.AGAIN):
                    compare.again(seed, hidden)
    if "report" in names:
        report.write(seeds)


if __name__ == "__main__":
    main()
