"""Model registration: gate the chosen fused model, register it and its towers."""

from pathlib import Path
from typing import get_args

from components.platform import tracking
from components.platform.application import Run
from components.platform.errors import ParamsError
from components.platform.files import scratch_folder, write_json
from components.platform.progress import say
from components.platform.registry.policy import POLICY, Policy, load_policy
from components.platform.registry.registering import register
from components.shop_ranking.application import SHOP_RANKING
from components.shop_ranking.model_registration.provenance import provenance
from components.shop_ranking.params import BaselineName, Params


def run(params: Params, *, policy: Path = POLICY, verdict: Path, **paths: Path) -> None:
    """Register what this run trained; write the verdict to `verdict`.

    `paths` are tables, prepared, fused, champion, evaluation, leaderboard and a folder a tower.

    Raises:
        RegistryError: the policy is wrong, or MLflow does not answer.
        DataError, ModelError: an input of an earlier stage is missing or does not fit.
        ParamsError: the gate has no champion to compare with, and not every baseline.

    """
    rules = load_policy(SHOP_RANKING, policy)
    with tracking.stage_run("model_registration", params), scratch_folder() as scratch:
        _require_reference(params, rules)
        origin = provenance(params, paths["tables"], paths["prepared"])
        tracking.log_dataset(origin["dataset"], origin["test_rows"], origin, "testing")
        outcome = register(SHOP_RANKING, Run(params, paths, scratch), rules)
        write_json(outcome, verdict)
    name = outcome["versions"][SHOP_RANKING.leading.key]
    say(f"{name}: gate {outcome['gate']}, aliases {outcome['aliases']}")


def _require_reference(params: Params, rules: Policy) -> None:
    lacking = set(get_args(BaselineName)) - set(params.baselines.ranked)
    if lacking and tracking.version_at(rules.leading, rules.aliases.champion) is None:
        raise ParamsError(
            "every baseline in baselines.ranked while there is no champion to compare with",
            f"none of {', '.join(sorted(lacking))}",
            "name them all, and run baseline_training again",
        )
