"""How long what is served takes to answer one request."""

import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np


def request_ms(
    models: Mapping[str, Callable[[object], object]], requests: Sequence[object]
) -> dict[str, float]:
    """Return each model's median milliseconds a request.

    The models take turns, so that whatever else the machine does weighs on them alike. Each is
    warmed up by one request that does not count.
    """
    seconds: dict[str, list[float]] = {name: [] for name in models}
    for answer in models.values():
        answer(requests[0])
    for request in requests:
        for name, answer in models.items():
            started = time.perf_counter()
            answer(request)
            seconds[name].append(time.perf_counter() - started)
    return {name: float(np.median(taken) * 1000) for name, taken in seconds.items()}
