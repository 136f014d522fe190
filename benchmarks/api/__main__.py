"""``python -m benchmarks.api [--seconds N] [--rate N] [load|uploads]``: the HTTP API under load, and with large files.

``load`` reads and posts beside a job that is at work, on a stack of its own on this machine, client included;
``uploads`` puts files of a gigabyte in each tabular format and watches the memory of the processes. Both write their
part of docs/benchmarks-api.md, from cells that are kept under .cherish/bench/api; without a name both are run.
"""

import argparse
import os

NAMES = ("load", "uploads")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.api", description="measure the HTTP API")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which of {', '.join(NAMES)}; none means both")
    parser.add_argument("--seconds", type=float, default=120.0, help="of each measurement under load")
    parser.add_argument("--rate", type=float, default=200.0, help="reads a second")
    parser.add_argument("--megabytes", type=int, default=1000, help="of each uploaded file")
    chosen = parser.parse_args()
    if unknown := set(chosen.names) - set(NAMES):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; choose among {', '.join(NAMES)}")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from benchmarks.api import pressure, report, uploads

    for name in chosen.names or NAMES:
        if name == "load":
            report.keep("load", pressure.measure(chosen.rate, chosen.seconds))
        else:
            report.keep("uploads", uploads.measure(chosen.megabytes))
    report.write()


if __name__ == "__main__":
    main()
