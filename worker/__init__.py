"""The compute side of Cherish: Celery and torch."""
