"""Persist first, dispatch after: a message is a row of the transaction that decided to send it."""
