"""Item-item and factor models, each with a weight for the shopper's own purchases.

EASE, ItemKNN and ALS model what goes with what; how much an own purchase counts by itself is one
number, chosen on the latest cut before the one that is ranked, never on the ranked cut's targets.
"""

from dataclasses import dataclass

import numpy as np
from implicit.als import AlternatingLeastSquares
from implicit.nearest_neighbours import CosineRecommender
from scipy.sparse import csr_array
from threadpoolctl import threadpool_limits

from components.platform.metrics.ranking import hits, ndcg
from components.shop_ranking.baseline_training.ease import Ease
from components.shop_ranking.baseline_training.interface import CutData, Score
from components.shop_ranking.engine.rankings import Floats, Ints, top_k
from components.shop_ranking.params import BaselineParams


def taste(data: CutData, scale: float) -> csr_array:
    """What the shopper is asked about: log(1 + scale x decayed purchases), (shoppers, items)."""
    return data.pairs(np.log1p(scale * data.user_item["decayed_120"].to_numpy()))


def owned(data: CutData) -> csr_array:
    """Return 1 for every pair bought before the cut."""
    return data.pairs(np.ones(len(data.user_item)))


def ease_of(data: CutData, params: BaselineParams) -> Ease:
    """Fit EASE on one cut, once: the baseline, LambdaMART and the fused ranker use the same one."""
    if "ease" not in data.fitted:
        data.fitted["ease"] = Ease.fit(owned(data), params.ease_l2, params.ease_max_size)
    return data.fitted["ease"]


@dataclass
class _WithOwnPurchases:
    params: BaselineParams
    seed: int
    k: int  # length of the lists that tell how much own purchases count

    def related(self, data: CutData) -> Score:
        """Return the scorer without own purchases."""
        raise NotImplementedError

    def fit(self, cuts: dict[str, CutData], at: str) -> Score:
        """See Baseline."""
        names = list(cuts)
        earlier = names[: names.index(at)]
        weight = self._own_weight(cuts[earlier[-1]]) if earlier else 1.0
        data = cuts[at]
        related, own = self.related(data), taste(data, self.params.purchase_scale)
        return lambda users: related(users) + weight * own[users].toarray()

    def _own_weight(self, data: CutData) -> float:
        related, own = self.related(data), taste(data, self.params.purchase_scale)
        weights = sorted(self.params.own_weights)
        rng = np.random.default_rng(self.seed)
        users = data.candidates.users
        asked = min(self.params.own_weight_shoppers, len(users))
        users = np.sort(rng.choice(users, asked, replace=False))
        scores, extra = related(users), own[users].toarray()
        means = [
            mean_ndcg(top_k(scores + weight * extra, data.candidates.order, self.k), users, data)
            for weight in weights
        ]
        # Of weights that rank alike the largest: a repeat is the safer guess.
        return weights[len(means) - 1 - int(np.argmax(means[::-1]))]


def mean_ndcg(ranked_BK: Ints, users: Ints, data: CutData) -> float:
    """Mean NDCG@K of the view `all`; a shopper who wanted nothing counts 0."""
    wanted = data.wanted[users].toarray() > 0
    return float(np.nan_to_num(ndcg(hits(ranked_BK, wanted), wanted.sum(axis=1))).mean())


class EaseBaseline(_WithOwnPurchases):
    """EASE of who bought what at all, asked with the shopper's decayed purchases."""

    name = "ease"

    def related(self, data: CutData) -> Score:
        """See _WithOwnPurchases."""
        model = ease_of(data, self.params)
        asked = taste(data, self.params.purchase_scale)
        return lambda users: model.score(asked[users])


class ItemKnn(_WithOwnPurchases):
    """Item-item nearest neighbours by cosine (Sarwar et al. 2001), from `implicit`."""

    name = "item-knn"

    def related(self, data: CutData) -> Score:
        """See _WithOwnPurchases."""
        model = CosineRecommender(K=self.params.item_knn_neighbours, num_threads=1)
        model.fit(owned(data), show_progress=False)
        similarity = csr_array(model.similarity).astype(np.float32)
        similarity.setdiag(0.0)
        asked = owned(data)  # better than decayed purchases: validation .420 against .401
        return lambda users: (asked[users] @ similarity).toarray()


class Als(_WithOwnPurchases):
    """Alternating least squares for implicit feedback (Hu, Koren, Volinsky 2008), `implicit`."""

    name = "als"

    def related(self, data: CutData) -> Score:
        """See _WithOwnPurchases."""
        model = AlternatingLeastSquares(
            factors=self.params.als_factors,
            regularization=self.params.als_regularization,
            alpha=self.params.als_alpha,
            iterations=self.params.als_iterations,
            num_threads=1,
            random_state=self.seed,
        )
        with threadpool_limits(1, "blas"):
            model.fit(owned(data), show_progress=False)
        shoppers: Floats = np.asarray(model.user_factors)
        items: Floats = np.asarray(model.item_factors)
        return lambda users: shoppers[users] @ items.T
