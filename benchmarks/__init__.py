"""Benchmarks of the engine: what it measures is written to docs/benchmarks.md. Nothing here is imported by the
product."""
