"""Bootstrap over shoppers (Efron and Tibshirani 1993): the same draws for every model.

One matrix of draws serves a whole table, so differences between models are paired.
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
CONFIDENCE = 0.95


def draw(shoppers: int, samples: int, seed: int) -> npt.NDArray[np.float32]:
    """Return how often each shopper is in each sample, as shares: (samples, shoppers)."""
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(shoppers, np.full(shoppers, 1.0 / shoppers), size=samples)
    return (counts / shoppers).astype(np.float32)


def interval(values_NM: Floats, draws_BN: npt.NDArray[np.float32]) -> tuple[Floats, Floats]:
    """Return the percentile interval of each column's mean, (M,) low and high."""
    means_BM = draws_BN @ values_NM.astype(np.float32)
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(means_BM, [tail, 100 - tail], axis=0)
    return low, high


def two_sided_p(difference_NM: Floats, draws_BN: npt.NDArray[np.float32]) -> Floats:
    """Return the bootstrap p-value of each column's mean being 0, (M,), at least 1 / samples."""
    means_BM = draws_BN @ difference_NM.astype(np.float32)
    below = (means_BM <= 0).mean(axis=0)
    above = (means_BM >= 0).mean(axis=0)
    return np.clip(2 * np.minimum(below, above), 1.0 / len(draws_BN), 1.0)
