"""Webhooks: telling a customer's own server what happened, signed, retried and logged; never into our own network."""
