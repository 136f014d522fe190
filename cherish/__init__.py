"""Cherish for those who use a market: a thin, typed client of the HTTP API. Imports nothing of the service."""

from cherish.aio import AsyncClient
from cherish.client import Client, Problem

__all__ = ["AsyncClient", "Client", "Problem"]
