"""What Prometheus reads: requests, their time, which model answers, swaps."""

from prometheus_client import Counter, Gauge, Histogram

BUCKETS = (0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1, 5)

REQUESTS = Counter("shopfusion_requests", "Requests", ["endpoint", "status"])
SECONDS = Histogram(
    "shopfusion_request_seconds", "Time from request to answer", ["endpoint"], buckets=BUCKETS
)
IMPRESSIONS = Counter(
    "shopfusion_impressions", "Shown items, by whether the log took them", ["outcome"]
)
OF = ["application"]
MODEL = Gauge("shopfusion_model_info", "1 for a version that answers", ["version"])
SWAPS = Counter("shopfusion_model_swaps", "Champions that took over", OF)
FAILURES = Counter("shopfusion_model_load_failures", "Champions that could not be loaded", OF)
UNFOLLOWED = Counter(
    "shopfusion_champion_watch_failures", "Looks at the champion alias that failed", OF
)
LOADING = Gauge(
    "shopfusion_model_load_seconds", "Time the last champion took to load and warm up", OF
)
CHECKED = Gauge(
    "shopfusion_registry_checked", "When the registry last answered, seconds since 1970", OF
)
