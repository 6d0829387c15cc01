"""Champion ranking: what the champion would have shown on this run's test cut.

After new data arrived, the champion's measurements are of other test rows. Here it ranks the new
ones, as it would in service: its own towers, EASE weights and fusion, on what is known of shoppers
and items at the new cut. Evaluation measures the ranking like any other, and the gate compares
champion and challenger on the same rows.
"""

from datetime import date
from pathlib import Path

import numpy as np

from components.platform import tracking
from components.platform.errors import LayoutError, RegistryError
from components.platform.files import atomic_folder, scratch_folder, write_json
from components.platform.progress import part, say
from components.platform.registry.fetching import parent_tag
from components.platform.registry.policy import POLICY, load_policy
from components.platform.tracking import Version
from components.shop_ranking.application import SHOP_RANKING
from components.shop_ranking.champion_ranking.knowledge import write_knowledge
from components.shop_ranking.engine.fused_rankings import fused_rankings
from components.shop_ranking.engine.ranker import FusedRanker
from components.shop_ranking.engine.rankings import read_candidates
from components.shop_ranking.engine.reading import read_cuts, read_states
from components.shop_ranking.engine.test_rows import measured_at, rows_digest
from components.shop_ranking.params import Params
from components.shop_ranking.towers import TOWERS

NAME = "champion"


def run(params: Params, *, prepared: Path, champion: Path, policy: Path = POLICY) -> None:
    """Write `champion`: champion.json ({version}) and, with a version, its ranking file.

    The version is null, and the log says why, where nothing can or need be ranked. The reason is
    not in the file: evaluation would be run again when another one comes to hold.

    Raises:
        RegistryError: MLflow does not answer, or lacks a part of the champion.
        DataError, ModelError: a prepared table is absent, or the champion cannot be loaded.

    """
    rules = load_policy(SHOP_RANKING, policy)
    version = tracking.version_at(rules.leading, rules.aliases.champion)
    cut = next(cut for cut in read_cuts(prepared) if cut["role"] == "test")
    reason = _why_not(version, params, prepared, cut)
    with atomic_folder(champion) as folder:
        called = None
        if version is not None and not reason:
            try:
                with part("ranking the test cut"):
                    _rank(version, prepared, cut, folder)
                called = f"{version.name}/{version.version}"
                say(f"{called} ranked the cut {cut['name']} of {cut['day']}")
            except LayoutError as error:
                reason = str(error)
        write_json({"version": called}, folder / "champion.json")
    if reason:
        say(f"the champion does not rank: {reason}")


def _why_not(
    champion: Version | None, params: Params, prepared: Path, cut: dict[str, str]
) -> str | None:
    if champion is None:
        return "there is none"
    tags = champion.tags
    if tags.get("dataset") != params.data.dataset:
        return f"it is of dataset {tags.get('dataset')}"
    if lacking := [name for name in TOWERS if parent_tag(name) not in tags]:
        return f"it has no tower {', '.join(lacking)}"
    rows = (rows_digest(prepared, cut["name"]), measured_at(params.evaluation))
    if rows == (tags.get("test_rows"), tags.get("measured_at")):
        return "it was measured on these rows already"
    return _knows_the_future(champion, cut)


def _knows_the_future(champion: Version, cut: dict[str, str]) -> str | None:
    try:
        until = champion.trained_until
    except RegistryError as error:
        return str(error)
    late = until > date.fromisoformat(cut["day"])
    return f"it was trained until {until}, after the cut of {cut['day']}" if late else None


def _rank(version: Version, prepared: Path, cut: dict[str, str], folder: Path) -> None:
    with scratch_folder() as scratch:
        uri = f"models:/{version.name}/{version.version}"
        package = tracking.download(uri, scratch / "packages" / NAME)
        ranker = FusedRanker.load(package)
        towers, baselines = write_knowledge(
            version, package, ranker, prepared, cut["name"], scratch
        )
        items, shoppers = read_states(
            prepared, cut["name"], towers, baselines, cut["target_events"]
        )
        evaluated = read_candidates(prepared, cut["name"])
        tested = shoppers.take(np.flatnonzero(np.isin(shoppers.users, evaluated.users)))
        candidates = ranker.engine_over(items).candidates(tested)
        ranked = fused_rankings(ranker.fusion.score(candidates), candidates, evaluated, seconds=0.0)
    ranked.save(folder / "rankings" / cut["name"] / f"{NAME}.npz")
