"""The valuation engine: torch, numpy and the standard library, nothing else. Read ``valuation.py`` first."""
