"""Counters of one API process, in a registry of its own application. What the database knows is added when scraped.

Labels are names of routes, never paths with ids: their number is bounded.
"""

from prometheus_client import CollectorRegistry, Counter, Histogram

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)


class Metrics:
    """What this process counts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "cherish_http_requests", "Answers, by operation and status.", ["method", "route", "status"],
            registry=self.registry,
        )  # fmt: skip
        self.seconds = Histogram(
            "cherish_http_request_seconds", "Seconds from request to the answer's end.", ["method", "route"],
            buckets=_BUCKETS, registry=self.registry,
        )  # fmt: skip
        self.limited = Counter(
            "cherish_rate_limited", "Calls refused for their number, by budget.", ["budget"], registry=self.registry
        )
        self.unlimited = Counter(
            "cherish_rate_limits_away", "Calls that passed uncounted, because Redis was away.", registry=self.registry
        )

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answer."""
        self.requests.labels(method, route, str(status)).inc()
        self.seconds.labels(method, route).observe(seconds)
