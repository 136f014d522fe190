"""``python -m benchmarks.gpu [--size tiny|100m|400m] [--device cuda|cpu] [--stack 1,8,32] [--float32] ...``.

Prints one table and keeps the figures as a cell under .cherish/bench/gpu (or ``CHERISH_BENCH``). ``--size tiny --device
cpu`` shows on any machine that it runs; its figures mean nothing for a GPU.
"""

import argparse
from typing import Any

from benchmarks import store
from benchmarks.gpu import measure

GB = 1e9


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description="rates of a language model's jobs")
    parser.add_argument("--size", choices=sorted(measure.SIZES), default="100m")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--stack", default="1,2,4,8,16,32", help="how many coalitions at once, with commas")
    parser.add_argument("--float32", action="store_true", help="base and activations in float32, not bfloat16")
    parser.add_argument("--recompute", action="store_true", help="keep layers' inputs alone for the backward pass")
    parser.add_argument("--context", type=int, default=512)
    parser.add_argument("--vocabulary", type=int, default=256)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=10)
    given = parser.parse_args()
    setting = measure.Setting(
        size=given.size,
        device=given.device,
        bf16=not given.float32,
        recompute=given.recompute,
        context=given.context,
        vocabulary=given.vocabulary,
        batch=given.batch,
        steps=given.steps,
    )
    stacks = [int(k) for k in given.stack.split(",")]
    key = "-".join(str(value) for value in setting.__dict__.values()) + f"/{given.stack}"
    show(store.cell("gpu", key, lambda: measure.measure(setting, stacks)))


def show(found: dict[str, Any]) -> None:
    """The table of one measurement."""
    print(f"{found['device']}: {found['parameters']:,} parameters, {found['adapters']:,} in adapters")
    print(f"matrix rate {found['matrix rate'] / 1e12:.2f} TFLOP/s; {found['stack that fits']} coalitions fit")
    print("stack  trained tok/s  of rate  scored tok/s  of rate  coalitions/s  against 1  planned GB  peak GB")
    rows = found["stacks"]
    for row in rows:
        peak = "" if row["peak bytes"] is None else f"{row['peak bytes'] / GB:8.2f}"
        print(
            f"{row['stack']:5d}  {row['trained tokens/s']:13,.0f}  {row['share of matrix rate, training']:7.1%}"
            f"  {row['scored tokens/s']:12,.0f}  {row['share of matrix rate, scoring']:7.1%}"
            f"  {row['coalitions/s']:12.3f}  {row['coalitions/s'] / rows[0]['coalitions/s']:9.1f}"
            f"  {row['planned bytes'] / GB:10.2f}  {peak}"
        )


if __name__ == "__main__":
    main()
