"""The database's declarative base and sessions."""
