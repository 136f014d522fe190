"""The compute side of Cherish: Celery and torch."""

from contract.arithmetic import fix_arithmetic

fix_arithmetic()
