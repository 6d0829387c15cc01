"""The scores that fusions without features combine, and the strongest features of those with."""

import numpy as np
import numpy.typing as npt

from components.shop_ranking.engine.feature_states import TOWERS, ShopperState

# EASE over all a shopper ever bought, and over the same weighted by recency (Steck, WWW 2019).
EASE = ("ease", "ease_recent")
SIGNALS = (*TOWERS, *EASE, "habit", "popularity")


def ease_weights(shoppers: ShopperState) -> dict[str, npt.NDArray[np.float64]]:
    """Return what each pair counts in each of EASE, (P,)."""
    bought = shoppers.pair_column("sessions") > 0
    recent = np.log1p(shoppers.pair_column("decayed_120"))
    return {"ease": bought.astype(np.float64), "ease_recent": recent.astype(np.float64)}
