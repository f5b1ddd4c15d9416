"""Figures for Prometheus, in a registry of their own, so that two servers in one process do not mix."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

HTTP_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
"""The ones OpenTelemetry advises for HTTP servers."""
DECIDE_BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1)
BATCH_BUCKETS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """What is counted. Everything that reports does so through a method of this."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Histogram(
            "http_server_request_duration_seconds",
            "Time from the request's head to the end of the reply.",
            ("http_request_method", "http_route", "http_response_status_code"),
            buckets=HTTP_BUCKETS,
            registry=self.registry,
        )
        self._decisions = Counter(
            "rung_decisions", "Decisions made on arrivals.", ("outcome", "mode"), registry=self.registry
        )
        self._batches = Histogram(
            "rung_intake_batch_tickets",
            "Arrivals stored in one transaction.",
            buckets=BATCH_BUCKETS,
            registry=self.registry,
        )
        self._decide = Histogram(
            "rung_decide_seconds",
            "Time of one reading and decision.",
            buckets=DECIDE_BUCKETS,
            registry=self.registry,
        )
        self._kept = Counter(
            "rung_payloads_kept",
            "Authentic payloads kept because they could not be read.",
            ("connector",),
            registry=self.registry,
        )
        self._refused = Counter(
            "rung_hooks_refused",
            "Webhooks without a valid signature.",
            ("connector",),
            registry=self.registry,
        )
        self._stored: dict[str, Gauge] = {}
        self._timers: dict[tuple[str, str, int], Histogram] = {}
        self._counters: dict[tuple[str, str], Counter] = {}

    def request_took(self, method: str, route: str, status: int, seconds: float) -> None:
        """One HTTP request ended; ``route`` is the template, never the path."""
        key = (method, route, status)
        timer = self._timers.get(key)
        if timer is None:
            timer = self._timers[key] = self._requests.labels(method, route, str(status))
        timer.observe(seconds)

    def decided(self, outcome: str, mode: str) -> None:
        """A decision was stored."""
        counter = self._counters.get((outcome, mode))
        if counter is None:
            counter = self._counters[outcome, mode] = self._decisions.labels(outcome, mode)
        counter.inc()

    def batch_committed(self, arrivals: int) -> None:
        """An intake transaction ended well; give this to the intake as ``observe_batch``."""
        self._batches.observe(arrivals)

    def decide_took(self, seconds: float) -> None:
        """One ticket was read and decided."""
        self._decide.observe(seconds)

    def payload_kept(self, connector: str) -> None:
        """An authentic payload could not be read and was kept."""
        self._kept.labels(connector).inc()

    def hook_refused(self, connector: str) -> None:
        """A webhook came without a valid signature."""
        self._refused.labels(connector).inc()

    def page(self, stored: Mapping[str, float]) -> bytes:
        """The text for Prometheus; ``stored`` are the figures of the store at this moment."""
        for what, number in stored.items():
            gauge = self._stored.get(what)
            if gauge is None:
                help_text = f"{what.replace('_', ' ').capitalize()}, as stored."
                gauge = self._stored[what] = Gauge(f"rung_stored_{what}", help_text, registry=self.registry)
            gauge.set(number)
        return generate_latest(self.registry)
