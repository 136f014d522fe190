"""Attacks on the division of the pool, and what each gains its attacker under each payout policy."""
