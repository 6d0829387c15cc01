"""How long a packaged model takes to answer one request."""

import time
from collections.abc import Mapping

import numpy as np
import pandas as pd

from components.platform.tracking import Predictor


def request_ms(models: Mapping[str, Predictor], requests: pd.DataFrame) -> dict[str, float]:
    """Return each model's median milliseconds a request (one row of `requests`).

    The models take turns, so that whatever else the machine does weighs on them alike. Each is
    warmed up by one request that does not count.
    """
    taken: dict[str, list[float]] = {name: [] for name in models}
    for model in models.values():
        model.predict(requests.iloc[:1])
    for row in range(len(requests)):
        for name, model in models.items():
            started = time.perf_counter()
            model.predict(requests.iloc[row : row + 1])
            taken[name].append(time.perf_counter() - started)
    return {name: float(np.median(seconds) * 1000) for name, seconds in taken.items()}
