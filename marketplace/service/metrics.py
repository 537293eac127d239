"""What Prometheus may know: numbers by route and status, never by account or listing."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

BUCKETS_S = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """The counters of one service, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self.requests = Counter(
            "market_requests", "Requests answered.", ("method", "route", "status"),
            registry=self.registry,
        )  # fmt: skip
        self.seconds = Histogram(
            "market_request_seconds", "Time to answer.", ("route",), buckets=BUCKETS_S,
            registry=self.registry,
        )  # fmt: skip
        self.refusals = Counter(
            "market_refusals", "Problems sent, by type.", ("type",), registry=self.registry
        )
        self.in_flight = Gauge(
            "market_requests_in_flight", "Requests under way.", registry=self.registry
        )
        self.uploaded = Counter(
            "market_uploaded_bytes", "Bytes of layer files taken in.", registry=self.registry
        )
        self.downloaded = Counter(
            "market_downloaded_bytes", "Bytes of layer files sent.", registry=self.registry
        )

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request."""
        child = self._children.get((method, route, status))
        if child is None:  # the library looks labels up under a lock, slower than it counts
            child = self.requests.labels(method, route, str(status)), self.seconds.labels(route)
            self._children[method, route, status] = child
        child[0].inc()
        child[1].observe(seconds)

    def text(self) -> bytes:
        """The exposition format."""
        return generate_latest(self.registry)
