"""What `/metrics` tells.

Invariant: what a version did and what it refused are told apart by model and version, so that a canary can be
judged beside what it may replace.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from serve.fleet import Fleet
from serve.service import Service


class Meters:
    """Counters of one process."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._registry = CollectorRegistry()
        names = ["model", "version"]
        self._decisions = Counter("retort_decisions", "Decisions made.", names, registry=self._registry)
        self._failed = Counter(
            "retort_decisions_refused", "Requests that a version refused.", [*names, "status"],
            registry=self._registry,
        )  # fmt: skip
        self._refused = Counter("retort_refused", "Requests refused.", ["status"], registry=self._registry)
        self._seconds = Histogram(
            "retort_request_seconds", "From a parsed request to its answer.", names,
            buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10), registry=self._registry,
        )  # fmt: skip
        self._queue = Gauge(
            "retort_queue", "Observations that wait for the model.", names, registry=self._registry
        )

    def decided(self, service: Service, count: int, seconds: float) -> None:
        """A request for `count` decisions was answered."""
        labels = service.model, service.version
        self._decisions.labels(*labels).inc(count)
        self._seconds.labels(*labels).observe(seconds)

    def failed(self, service: Service, status: int) -> None:
        """A version refused a request."""
        self._failed.labels(service.model, service.version, str(status)).inc()

    def refused(self, status: int) -> None:
        """A request was refused, by whomever."""
        self._refused.labels(str(status)).inc()

    def text(self) -> bytes:
        """In Prometheus' format."""
        self._queue.clear()
        for service in self._fleet.services:
            self._queue.labels(service.model, service.version).set(len(service.batcher))
        return generate_latest(self._registry)


class _Families(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterable[Metric]:
        return self._families


def merged(texts: Mapping[str, bytes]) -> bytes:
    """The texts of several replicas as one, with a label `replica`."""
    families: dict[str, Metric] = {}
    for replica, text in sorted(texts.items()):
        for family in text_string_to_metric_families(text.decode()):
            name, kind = family.name, family.type
            whole = families.setdefault(name, Metric(name, family.documentation, kind))
            whole.samples += [
                one._replace(labels={**one.labels, "replica": replica}) for one in family.samples
            ]
    registry = CollectorRegistry()
    registry.register(_Families(families.values()))
    return generate_latest(registry)
