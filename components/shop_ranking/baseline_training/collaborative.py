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

OWN_WEIGHTS = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
K = 10
TUNED_ON = 600  # shoppers: enough to tell weights a factor of three apart


def taste(data: CutData) -> csr_array:
    """What the shopper is asked about: log(1 + 10 x decayed purchases), (shoppers, items)."""
    return data.pairs(np.log1p(10 * data.user_item["decayed_120"].to_numpy()))


def owned(data: CutData) -> csr_array:
    """Return 1 for every pair bought before the cut."""
    return data.pairs(np.ones(len(data.user_item)))


@dataclass
class _WithOwnPurchases:
    params: BaselineParams
    seed: int

    def related(self, data: CutData) -> Score:
        """Return the scorer without own purchases."""
        raise NotImplementedError

    def fit(self, cuts: dict[str, CutData], at: str) -> Score:
        """See Baseline."""
        names = list(cuts)
        earlier = names[: names.index(at)]
        weight = self._own_weight(cuts[earlier[-1]]) if earlier else 1.0
        data = cuts[at]
        related, own = self.related(data), taste(data)
        return lambda users: related(users) + weight * own[users].toarray()

    def _own_weight(self, data: CutData) -> float:
        related, own = self.related(data), taste(data)
        rng = np.random.default_rng(self.seed)
        users = data.candidates.users
        users = np.sort(rng.choice(users, min(TUNED_ON, len(users)), replace=False))
        scores, extra = related(users), own[users].toarray()
        means = [mean_ndcg(top_k(scores + w * extra, data.candidates.order, K), users, data)
                 for w in OWN_WEIGHTS]  # fmt: skip
        # Of weights that rank alike the largest: a repeat is the safer guess.
        return OWN_WEIGHTS[len(means) - 1 - int(np.argmax(means[::-1]))]


def mean_ndcg(ranked_BK: Ints, users: Ints, data: CutData) -> float:
    """Mean NDCG@K of the view `all`; a shopper who wanted nothing counts 0."""
    wanted = data.wanted[users].toarray() > 0
    return float(np.nan_to_num(ndcg(hits(ranked_BK, wanted), wanted.sum(axis=1))).mean())


class EaseBaseline(_WithOwnPurchases):
    """EASE of who bought what at all, asked with the shopper's decayed purchases."""

    name = "ease"

    def related(self, data: CutData) -> Score:
        """See _WithOwnPurchases."""
        model = self.model(data)
        asked = taste(data)
        return lambda users: model.score(asked[users])

    def model(self, data: CutData) -> Ease:
        """Fit EASE on one cut, once: LambdaMART and the fused ranker use the same one."""
        if "ease" not in data.fitted:
            data.fitted["ease"] = Ease.fit(
                owned(data), self.params.ease_l2, self.params.ease_max_size
            )
        return data.fitted["ease"]


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
