"""The compute side of Cherish: Celery and torch."""

from contract.arithmetic import one_thread

one_thread()
