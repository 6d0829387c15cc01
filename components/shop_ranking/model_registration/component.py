"""Model registration: gate the chosen fused model, register it with its towers, move the aliases.

Registering the same content again makes no new version and moves no alias, and a registry that
was wiped is filled again: content is known by its digest, a tag of every version.
"""

from pathlib import Path
from typing import get_args

from components.platform import tracking
from components.platform.errors import ParamsError
from components.platform.files import scratch_folder, write_json
from components.platform.packaging.packaging import ranker_package, tower_package
from components.platform.progress import say
from components.platform.registry.policy import POLICY, Policy, load_policy
from components.platform.registry.registering import (
    Candidate,
    point_aliases,
    register_ranker,
    register_tower,
    summary,
)
from components.shop_ranking.model_registration.measurements import read_measured
from components.shop_ranking.model_registration.provenance import provenance
from components.shop_ranking.params import BaselineName, Params


def run(
    params: Params,
    *,
    tables: Path,
    prepared: Path,
    behaviour: Path,
    text: Path,
    image: Path,
    fused: Path,
    champion: Path,
    evaluation: Path,
    leaderboard: Path,
    verdict: Path,
    policy: Path = POLICY,
) -> None:
    """Register what this run trained; write the verdict to `verdict`.

    A challenger that does not pass is a normal outcome: it is registered, its tag `gate` says
    so, and the stage succeeds. Aliases move last, after everything they could point at is whole.

    Raises:
        RegistryError: the policy is wrong, or MLflow does not answer.
        DataError, ModelError: an input of an earlier stage is missing or does not fit.
        ParamsError: the gate has no champion to compare with, and not every baseline.

    """
    rules = load_policy(policy)
    measured = read_measured(evaluation, leaderboard, prepared, fused, champion)
    with tracking.stage_run("model_registration", params), scratch_folder() as scratch:
        _require_reference(params, rules)
        origin = provenance(params, tables, prepared)
        tracking.log_dataset(origin["dataset"], origin["test_rows"], origin, "testing")
        ranker_files = ranker_package(fused, prepared, scratch)
        towers = {
            name: register_tower(tower_package(tower, prepared, scratch), registered, origin)
            for name, tower, registered in (
                ("behaviour", behaviour, rules.models.behaviour),
                ("text", text, rules.models.text),
                ("image", image, rules.models.image),
            )
        }
        parents = {f"parent_{name}": f"{one.name}/{one.version}" for name, one in towers.items()}
        way = {tracking.FUSION: measured.chosen.model}
        candidate = Candidate(ranker_files, measured, origin | parents | way)
        ranker = register_ranker(candidate, rules, params.seed, scratch)
        point_aliases(ranker, rules)
        outcome = summary(ranker, towers, rules)
        write_json(outcome, verdict)
    say(f"{ranker.name}/{ranker.version}: gate {outcome['gate']}, aliases {outcome['aliases']}")


def _require_reference(params: Params, rules: Policy) -> None:
    lacking = set(get_args(BaselineName)) - set(params.baselines.ranked)
    if lacking and tracking.champion(rules.models.fused, rules.aliases.champion) is None:
        raise ParamsError(
            "every baseline in baselines.ranked while there is no champion to compare with",
            f"none of {', '.join(sorted(lacking))}",
            "name them all, and run baseline_training again",
        )
