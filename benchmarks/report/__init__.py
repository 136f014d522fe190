"""docs/benchmarks.md, written from what the benchmarks measured."""

from benchmarks.report.page import write

__all__ = ["write"]
