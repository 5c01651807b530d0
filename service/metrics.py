"""Metrics: what Prometheus reads."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.process_collector import ProcessCollector

LATENCY_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


class Metrics:
    """Counters and histograms of one application, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "bespoke_requests", "Requests answered", ("method", "route", "status"), registry=self.registry
        )
        self.request_seconds = Histogram(
            "bespoke_request_seconds",
            "Time to answer a request",
            ("method", "route"),
            registry=self.registry,
            buckets=LATENCY_BUCKETS_S,
        )
        self.designs = Counter("bespoke_designs", "Designs asked for, by outcome", ("outcome",), registry=self.registry)
        self.optimizer_seconds = Histogram(
            "bespoke_optimizer_seconds", "Time to find a design", registry=self.registry, buckets=LATENCY_BUCKETS_S
        )
        self.jobs = Gauge("bespoke_jobs", "Jobs by state", ("state",), registry=self.registry)
        self.predictions = Counter("bespoke_predictions", "Design-device pairs predicted", registry=self.registry)

    def count_jobs(self, by_state: Mapping[str, int]) -> None:
        """How many jobs are in each state now."""
        for state, count in by_state.items():
            self.jobs.labels(state).set(count)

    def text(self) -> bytes:
        """All of them in the text format that Prometheus reads."""
        return generate_latest(self.registry)
