"""What an item that nobody has bought can be ranked by: its words, its text, its category."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.sparse import csr_array
from sklearn.cluster import KMeans
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV

from benchmarks.quality.shop.cold_shop import Shop
from components.platform.encoders.text import TextTower
from components.platform.progress import say
from components.platform.training.loop import best_device
from components.shop_ranking.engine.towers.content_tower import (
    present_texts,
    ready_made,
    spread,
    whitened,
)
from components.shop_ranking.engine.towers.item_orders import Floats, Ints
from components.shop_ranking.engine.towers.item_words import item_words
from components.shop_ranking.engine.towers.profile import profile_vectors
from components.shop_ranking.towers.text import TextParams

CODES, LEVELS = 64, 3  # of the semantic ids
WORDS, PENALTIES = 1 << 14, (1.0, 3.0, 10.0, 30.0, 100.0)  # of the expected popularity
NEVER = -1e9  # score of what cannot be compared


def untuned_vectors(items: pa.Table, known_I: npt.NDArray[np.bool_], text: TextParams) -> Floats:
    """Return text vectors that no pair of the shop has shaped, (I, dim); NaN without a text.

    A finished run's text tower is tuned on pairs that held-out items are part of. These are the
    base's own, or ready-made ones, whitened on the known items alone.
    """
    known = np.flatnonzero(known_I)
    ready = ready_made(items["text_embedding"])
    if ready is not None:
        return whitened(ready, known, text.dim, text.whitening)
    rows, texts = present_texts(items["text"])
    tower = TextTower(text.base_model, text.max_length, text.dim).to(best_device())
    encoded_NW = tower.base_vectors(texts)
    tower.projection.whiten(encoded_NW[np.isin(rows, known)], text.whitening)
    return spread(tower.projection.apply_to(encoded_NW), rows, items.num_rows)


def taste_in_texts(shop: Shop, text_ID: Floats, asked: Ints, half_life_days: float) -> Floats:
    """Return the text tower's scores of the held-out items, (asked, C), by histories without them.

    Shoppers are the decayed means of what their reduced histories hold.
    """
    profiles_UD = profile_vectors(shop.sequences().take(asked), text_ID, half_life_days)
    scores: Floats = profiles_UD @ text_ID[shop.cold].T
    return np.nan_to_num(scores, nan=NEVER)


def semantic_ids(vectors_ID: Floats, known_I: npt.NDArray[np.bool_], seed: int) -> list[str]:
    """Return residual codes of vectors as words, `a12 b7 c33`; empty where there is no vector.

    Residual quantisation by k-means: each level codes what the levels before left over. Only items
    of training shape the codes. A word stands for the whole path too, as a category does.
    """
    whole = ~np.isnan(vectors_ID).any(1)
    rest = np.nan_to_num(vectors_ID).astype(np.float32)
    codes = []
    for _ in range(LEVELS):
        learnt = rest[whole & known_I]
        clusters = min(CODES, len(learnt))
        means = KMeans(clusters, n_init=1, random_state=seed).fit(learnt)
        code = means.predict(rest)
        rest = rest - means.cluster_centers_[code]
        codes.append(code)
    rows = np.stack(codes, 1)
    words = [" ".join(f"{'abc'[k]}{code}" for k, code in enumerate(row)) for row in rows.tolist()]
    return [word if there else "" for word, there in zip(words, whole.tolist(), strict=True)]


def expected_popularity(items: pa.Table, seen: Ints, cold: Ints) -> Floats:
    """Return the log count to expect of the held-out items by their words, (C,).

    Ridge regression of the log count of items with events on their words; its penalty by
    cross-validation over those items.

    Args:
        items: title, category and brand of the catalogue.
        seen: (E,) the item of every event.
        cold: (C,) items to expect something of.

    """
    words = item_words(items, WORDS)
    there = csr_array((np.ones(len(words.word)), words.word, words.first), (items.num_rows, WORDS))
    counts = np.bincount(seen, minlength=items.num_rows)
    bought = np.flatnonzero(counts)
    options = {"alpha": PENALTIES}
    search = GridSearchCV(Ridge(), options, scoring="neg_mean_squared_error", cv=5)
    search.fit(there[bought], np.log(counts[bought]))
    say(f"expected popularity: penalty {search.best_params_['alpha']:g}")
    expected: Floats = search.predict(there[cold]).astype(np.float32)
    return expected


def popularity_lines(shop: Shop, asked: Ints) -> dict[str, Floats]:
    """Return the held-out items' scores by the events of their category, (asked, C) a method."""
    owner = np.repeat(np.arange(len(shop.user)), np.diff(shop.histories.start))
    category = shop.items["category"].combine_chunks().dictionary_encode().indices
    group_I = category.fill_null(-1).to_numpy().astype(np.int64) + 1
    groups, cold = int(group_I.max()) + 1, group_I[shop.cold]
    counts = np.bincount(group_I[shop.histories.item], minlength=groups)
    seen = np.bincount(group_I[np.unique(shop.histories.item)], minlength=groups)
    own = np.zeros((len(shop.user), groups), np.float32)
    np.add.at(own, (owner, group_I[shop.histories.item]), 1.0)

    def everyone(values: npt.NDArray[np.generic]) -> Floats:
        return np.tile(values.astype(np.float32), (len(asked), 1))

    return {
        "popularity in category": everyone(counts[cold]),
        "mean popularity in category": everyone((counts / np.maximum(seen, 1))[cold]),
        "popularity in own category": own[asked][:, cold] + 1e-6 * everyone(counts[cold]),
    }
