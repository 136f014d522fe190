"""`cherish value`: files on this machine, without a service."""
