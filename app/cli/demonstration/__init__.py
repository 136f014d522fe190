"""`cherish demo`."""
