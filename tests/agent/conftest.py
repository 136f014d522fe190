"""The market with agents, for the tests of this folder."""

from tests.agent_market import agent_market

__all__ = ["agent_market"]
