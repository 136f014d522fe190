"""The orchestration alone: outbox, Redis, leases and write-back, measured with an engine that only sleeps."""
