"""Rate limits: how many calls a minute one key, one user or one address may make, counted in Redis.

The window slides (this minute's count and a part of the last one's), so that no burst passes at a minute's edge. Where
Redis is away, calls pass and a metric counts them: limits protect the service from load and no rule depends on them, so
it goes on without them. Nothing here knows an account; the calling code passes the quota.
"""

import math
import time
from dataclasses import dataclass

import redis
import structlog
from fastapi import Depends, Request, params
from limits import RateLimitItemPerMinute
from limits.storage import RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from app.errors import TooManyRequests
from app.http.metrics import Metrics
from app.settings import Settings

_TIMEOUT_SECONDS = 0.25
# after a failure Redis is left alone for a while, so that its absence costs one call in many a timeout
_PAUSE_SECONDS = 5.0
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Budget:
    """What is left of a budget after a call; the RateLimit headers of its answer."""

    name: str
    quota: int
    remaining: int
    reset_seconds: int
    minutes: int = 1

    def headers(self) -> dict[str, str]:
        """RateLimit and RateLimit-Policy, as draft-ietf-httpapi-ratelimit-headers has them."""
        return {
            "RateLimit-Policy": f'"{self.name}";q={self.quota};w={60 * self.minutes}',
            "RateLimit": f'"{self.name}";r={self.remaining};t={self.reset_seconds}',
        }


class Limiter:
    """All budgets of this deployment, shared by its processes through one Redis."""

    def __init__(self, redis_url: str, metrics: Metrics) -> None:
        # redis-py would try again for seconds, while somebody waits for an answer
        self._pool = redis.ConnectionPool.from_url(
            redis_url,
            socket_timeout=_TIMEOUT_SECONDS,
            socket_connect_timeout=_TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
        self._storage = RedisStorage("redis://", connection_pool=self._pool, key_prefix="cherish-limits")
        self._strategy = SlidingWindowCounterRateLimiter(self._storage)
        self._metrics = metrics
        self._paused_until = 0.0

    def spend(self, name: str, who: str, quota: int, minutes: int = 1) -> Budget | None:
        """Count one call of ``who`` against the budget ``name``; None where Redis is away and nothing was counted.

        Raises TooManyRequests, with how long to wait, for a call above ``quota`` in so many minutes.
        """
        if time.monotonic() < self._paused_until:
            self._metrics.unlimited.inc()
            return None
        item = RateLimitItemPerMinute(quota, minutes)
        try:
            passed = self._strategy.hit(item, name, who)
            stats = self._strategy.get_window_stats(item, name, who)
        except (RedisError, OSError) as error:
            self._paused_until = time.monotonic() + _PAUSE_SECONDS
            self._metrics.unlimited.inc()
            log.warning("rate_limits.redis_away", error=str(error))
            return None
        wait = max(1, math.ceil(stats.reset_time - time.time()))
        budget = Budget(name, quota, stats.remaining, wait, minutes)
        if not passed:
            self._metrics.limited.labels(name).inc()
            raise _Exceeded(budget)
        return budget

    def close(self) -> None:
        self._pool.disconnect()


class _Exceeded(TooManyRequests):
    def __init__(self, budget: Budget) -> None:
        span = "a minute" if budget.minutes == 1 else f"{budget.minutes} minutes"
        super().__init__(
            f"more than {budget.quota} calls in {span} ({budget.name}); wait {budget.reset_seconds} seconds",
            retry_after=budget.reset_seconds,
        )
        self.budget = budget


def spend(request: Request, name: str, who: str, quota: int, minutes: int = 1) -> None:
    """Count this request and put the RateLimit headers on its answer, a refusal's included."""
    limiter: Limiter = request.app.state.limiter
    try:
        budget = limiter.spend(name, who, quota, minutes)
    except _Exceeded as refused:
        request.state.rate_limit = refused.budget.headers()
        raise
    if budget is not None:
        request.state.rate_limit = budget.headers()


def address_of(request: Request) -> str:
    """Who calls without a key, as far as that can be known."""
    return request.client.host if request.client else "unknown"


def _sign_in(request: Request) -> None:
    settings: Settings = request.app.state.settings
    spend(request, "sign-in", address_of(request), settings.sign_ins_per_minute)


SIGN_IN: params.Depends = Depends(_sign_in)
"""A route's dependency: few calls a minute from one address. For whatever tries a password or makes an account."""
