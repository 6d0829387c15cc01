"""A registered tower: the vectors of shoppers and items as of the last cut.

Loaded by MLflow (`loader_module`); runs with requirements-serving.lock alone. The folder also
holds the tower's weights and its vectors of earlier cuts, so that a later training can reuse it
instead of training it again (`tracking.download`).
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from components.platform.errors import DataError

KINDS = ("user", "item")


class PackagedTower:
    """Looks up vectors by id; the tower's score of a pair is their dot product."""

    def __init__(self, folder: Path) -> None:
        cut = json.loads((folder / "ids" / "cut.json").read_text())["name"]
        self.ids = {
            kind: pd.Index(pd.read_parquet(folder / "ids" / f"{kind}s.parquet")[f"{kind}_id"])
            for kind in KINDS
        }
        self.vectors = {
            kind: np.load(folder / cut / f"{kind}_vectors.npy", mmap_mode="r") for kind in KINDS
        }

    def predict(self, requests: pd.DataFrame, params: object = None) -> pd.DataFrame:
        """Answer rows of `kind` (user or item) and `id` with `vector`, empty where unknown.

        Raises:
            DataError: another kind.

        """
        wrong = requests.loc[~requests["kind"].isin(KINDS), "kind"]
        if len(wrong):
            raise DataError("kind user or item", repr(wrong.iloc[0]), "name one of the two")
        vectors = pd.Series([[]] * len(requests), index=requests.index, dtype=object)
        for kind in KINDS:
            asked = requests.loc[requests["kind"] == kind, "id"]
            row = self.ids[kind].get_indexer(asked)
            vectors_ND = self.vectors[kind][np.maximum(row, 0)].astype(np.float64)
            known = (row >= 0) & ~np.isnan(vectors_ND).any(axis=1)
            vectors.loc[asked.index[known]] = pd.Series(
                list(vectors_ND[known]), index=asked.index[known]
            )
        return pd.DataFrame({"vector": vectors})


def _load_pyfunc(folder: str) -> PackagedTower:
    return PackagedTower(Path(folder))
