"""What every method of fusion offers; METHODS of this folder names them all."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

from components.shop_ranking.engine.candidate_sets import CandidateSet
from components.shop_ranking.engine.history import Floats
from components.shop_ranking.params.fusion import DEFAULTS, FusionParams

Weight = dict[str, Any]  # {"segment": str, "part": str, "weight": float}


class Fusion(Protocol):
    """Scores candidates from the towers' scores and vectors and from features."""

    name: ClassVar[str]
    needs_torch: ClassVar[bool]  # to answer: a registered model of it then requires torch

    def __init__(self, seed: int = 0, params: FusionParams = DEFAULTS) -> None: ...

    def fit(self, train: Sequence[CandidateSet], validation: CandidateSet) -> None:
        """Fit on labelled sets, one a cut; `validation` is for choices only (how many rounds).

        Raises:
            ModelError: no rows to fit on.

        """

    def refit(self, train: Sequence[CandidateSet]) -> None:
        """Fit again on these sets with the choices of `fit`."""

    def score(self, candidates: CandidateSet) -> Floats:
        """Return one finite score a row, higher is better, (rows,) float32."""

    def contributions(self, candidates: CandidateSet) -> dict[str, Floats]:
        """Return how much each part moves each row's score, (rows,) a part.

        A part is a tower or a group of features; the sign says in which direction. What is no sum
        (gates, ranks) is given as it weighs in.
        """

    def weights(self) -> list[Weight]:
        """Return what counts how much, for a person to read."""

    def save(self, folder: Path) -> None:
        """Write the fitted fusion into `folder`."""

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
