"""From scores to probabilities: the logistic regression that fits them."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
TOLERANCE = 1e-10  # of the gradient: Newton's method gets there in a few steps


def logistic(design_ND: Floats, target_N: Floats, ridge: float) -> Floats:
    """Return the weights (D,) of the log-odds: the least log-loss + ridge / 2 x weights squared.

    Args:
        design_ND: N rows, N >= 1; a column of ones where there is to be an offset.
        target_N: 0 or 1, or the probability of 1 (Platt's targets).
        ridge: keeps the weight of a column without variation at 0.

    """
    from sklearn.linear_model import LogisticRegression

    # A probability t is a 1 of weight t and a 0 of weight 1 - t.
    share = np.concatenate([target_N, 1 - target_N])
    kept = share > 0
    kept[[0, len(target_N)]] = True  # both labels are there, one perhaps without weight
    label = np.concatenate([np.ones(len(target_N)), np.zeros(len(target_N))])[kept]
    rows = np.concatenate([np.arange(len(target_N))] * 2)[kept]
    model = LogisticRegression(
        C=1 / ridge, fit_intercept=False, solver="newton-cholesky", tol=TOLERANCE
    )
    model.fit(design_ND[rows], label, sample_weight=share[kept])
    weights: Floats = model.coef_[0]
    return weights
