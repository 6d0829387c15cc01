"""TIFU-KNN (Hu et al. 2020, "Modeling Personalized Item Frequency Information for NBR")."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from components.platform.files import read_table
from components.platform.schemas import EVENT_TYPES
from components.shop_ranking.baseline_training.interface import CutData, Score
from components.shop_ranking.engine.rankings import Ints
from components.shop_ranking.params import BaselineParams


@dataclass
class TifuKnn:
    """Baskets are weighted by time-decayed groups; neighbours' vectors are mixed in."""

    params: BaselineParams
    name = "tifu-knn"

    def fit(self, cuts: dict[str, CutData], at: str) -> Score:
        """See Baseline."""
        data = cuts[at]
        own = vectors(baskets(data), data.shape, self.params)
        users = data.candidates.users
        count = min(self.params.tifu_neighbours, data.shape[0] - 1)
        nearest = _nearest(own, users, count)
        flat = (np.full(nearest.size, 1.0 / max(count, 1), np.float32), nearest.ravel())
        mean = csr_array(
            (*flat, np.arange(len(users) + 1) * count), shape=(len(users), own.shape[0])
        )
        others = csr_array(mean @ own)
        alpha = self.params.tifu_alpha

        def score(batch: Ints) -> npt.NDArray[np.float32]:
            rows = np.searchsorted(users, batch)
            mixed = alpha * own[batch].toarray() + (1 - alpha) * others[rows].toarray()
            return mixed.astype(np.float32)

        return score


def baskets(data: CutData) -> npt.NDArray[np.int64]:
    """Return distinct (shopper, session, item) triples with a target event, (3, n).

    Sessions are numbered 0.. within the shopper among those that have one.
    """
    table = read_table(data.folder / "sequences.parquet")
    item = table["item_index"].combine_chunks()
    length = np.diff(item.offsets.to_numpy())
    shopper = np.repeat(table["user_index"].to_numpy(), length)
    session = table["session"].combine_chunks().flatten().to_numpy()
    codes = [EVENT_TYPES.index(name) for name in data.target_events]
    counts = np.isin(table["event_type"].combine_chunks().flatten().to_numpy(), codes)
    triples = np.stack([shopper, session, item.flatten().to_numpy()]).astype(np.int64)
    return _number_sessions(np.unique(triples[:, counts], axis=1))


def _number_sessions(triples: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Number the sessions of sorted triples 0.. within each shopper, without holes."""
    shopper, session, item = triples
    new_shopper = np.diff(shopper, prepend=-1) != 0
    new_session = new_shopper | (np.diff(session, prepend=-1) != 0)
    number = np.cumsum(new_session)
    first = number[new_shopper][np.cumsum(new_shopper) - 1] if len(shopper) else number
    return np.stack([shopper, number - first, item])


def vectors(
    triples: npt.NDArray[np.int64], shape: tuple[int, int], params: BaselineParams
) -> csr_array:
    """Return each shopper's temporal item frequency vector, (shoppers, items)."""
    shopper, session, item = triples
    sessions = np.zeros(shape[0], np.int64)
    np.maximum.at(sessions, shopper, session + 1)
    total = sessions[shopper]
    groups = np.minimum(params.tifu_groups, total)
    size = total // groups
    first_larger = (groups - (total - size * groups)) * size  # the last groups take one more
    late = session >= first_larger
    larger = np.where(late, size + 1, size)
    group = np.where(
        late, groups - (total - size * groups) + (session - first_larger) // (size + 1),
        session // size,
    )  # fmt: skip
    place = np.where(late, (session - first_larger) % (size + 1), session % size)
    within = params.tifu_within_decay ** (larger - 1 - place) / larger
    across = params.tifu_group_decay ** (groups - 1 - group) / groups
    cells = (shopper, item)
    return csr_array(((within * across).astype(np.float32), cells), shape=shape)


def _nearest(own: csr_array, users: Ints, count: int) -> npt.NDArray[np.int64]:
    """Return the `count` nearest other shoppers (Euclidean) of each of `users`."""
    product = (own[users] @ own.T).toarray()
    square = np.asarray(own.multiply(own).sum(axis=1)).ravel()
    distance = square[None, :] - 2 * product
    distance[np.arange(len(users)), users] = np.inf
    distance[:, np.diff(own.indptr) == 0] = np.inf
    if count == 0:
        return np.zeros((len(users), 0), np.int64)
    return np.argpartition(distance, count - 1, axis=1)[:, :count]
