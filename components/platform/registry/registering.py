"""New versions and aliases: whole before anything points at them, and never twice."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from components.platform import tracking
from components.platform.files import write_json
from components.platform.gate.comparison import Verdict, judge
from components.platform.gate.latency import request_ms
from components.platform.gate.verdict import as_markdown, as_values
from components.platform.packaging.packaging import content_digest
from components.platform.progress import say
from components.platform.promotion import promote
from components.platform.registry.policy import Policy
from components.platform.tracking import Package, Version
from components.shop_ranking.model_registration.measurements import (
    Comparison,
    Measured,
    read_record,
    write_record,
)

RECORD = "gate"  # artifact folder of the run that made a version: its verdict and measurements
MOVED = "aliases_moved"  # tag of a version whose registration went through to the end
TIMED_REQUESTS = 50


@dataclass(frozen=True)
class Candidate:
    """A packaged fused model, and what evaluation measured of it and of others."""

    package: Package
    measured: Comparison
    tags: Mapping[str, str]  # where it comes from


def register_tower(package: Package, name: str, tags: Mapping[str, str]) -> Version:
    """Register a tower unless a version has the same content."""
    content = content_digest(package)
    made = tracking.tagged(name, "content", content)
    if made is None:
        made = tracking.register(package, name, {**tags, "content": content})
        say(f"registered {name}/{made.version}")
    return made


def register_ranker(candidate: Candidate, policy: Policy, seed: int, scratch: Path) -> Version:
    """Judge and register the fused model unless a version has the same content.

    The verdict and the measurements go to the run first; the next challenger is compared with
    them, shopper by shopper.
    """
    name, content = policy.models.fused, content_digest(candidate.package)
    made = tracking.tagged(name, "content", content)
    if made is not None:
        return made
    verdict = _verdict(candidate, policy, seed, scratch)
    table = as_markdown(verdict, policy.gate.confidence)
    record = scratch / RECORD
    write_record(candidate.measured.chosen, record)
    write_json(as_values(verdict), record / "verdict.json")
    (record / "verdict.md").write_text(table)
    tracking.log_artifact(record, RECORD)
    tags = {**candidate.tags, "content": content, "gate": verdict.outcome}
    made = tracking.register(candidate.package, name, tags, table)
    say(f"registered {name}/{made.version}\n{table}")
    return made


def point_aliases(ranker: Version, policy: Policy) -> None:
    """Move the aliases to a new version: the last step, taken once for a version.

    `challenger` is the newest version whatever the gate said. `champion` moves only where there
    is none yet and the gate was passed; afterwards a person moves it.
    """
    if MOVED in ranker.tags:
        return
    tracking.move_alias(policy.aliases.challenger, ranker)
    champion = tracking.champion(ranker.name, policy.aliases.champion)
    if champion is None and ranker.tags["gate"] == "passed":
        promote(policy, ranker.version, None)
    tracking.tag_version(ranker, {MOVED: "yes"})


def summary(ranker: Version, towers: Mapping[str, Version], policy: Policy) -> dict[str, Any]:
    """Return what reports/registration.json holds, in plain values that DVC can compare."""
    held = [
        alias
        for alias in (policy.aliases.champion, policy.aliases.challenger)
        if (found := tracking.champion(ranker.name, alias)) and found.version == ranker.version
    ]
    verdict = json.loads((tracking.run_folder(ranker, RECORD) / "verdict.json").read_text())
    return {
        **verdict,
        "aliases": " ".join(held) or "none",
        "versions": {
            "fused": f"{ranker.name}/{ranker.version}",
            **{key: f"{tower.name}/{tower.version}" for key, tower in towers.items()},
        },
    }


def _verdict(candidate: Candidate, policy: Policy, seed: int, scratch: Path) -> Verdict:
    """Compare with the champion on the same test rows, with the baselines where there is none."""
    measured = candidate.measured
    users = measured.chosen.shoppers.index.unique("user_id").to_series()
    requests = pd.DataFrame(
        {"user_id": users.sample(min(TIMED_REQUESTS, len(users)), random_state=seed).to_numpy()}
    )
    models = {"challenger": tracking.load(str(tracking.save(candidate.package, scratch / "model")))}
    champion = tracking.champion(policy.models.fused, policy.aliases.champion)
    if champion is None:
        ours = replace(measured.chosen, latency_ms=request_ms(models, requests)["challenger"])
        return judge(ours, measured.baselines, policy.gate, seed)
    called = f"{champion.name}/{champion.version}"
    reference = _reference(champion, called, candidate)
    if isinstance(reference, str):
        return Verdict("not comparable", called, (), (reference,))
    models["champion"] = tracking.load(f"models:/{called}")
    taken = request_ms(models, requests)
    return judge(
        replace(measured.chosen, latency_ms=taken["challenger"]),
        [replace(reference, latency_ms=taken["champion"])],
        policy.gate,
        seed,
    )


def _reference(champion: Version, called: str, candidate: Candidate) -> Measured | str:
    """Return the champion's measurements on this run's test rows, or why there are none.

    They are those kept when it was registered, if it was tested on these very rows; else those of
    its ranking of them (the stage champion_ranking).
    """
    for tag in ("dataset", "test_rows", "measured_at"):
        theirs, own = champion.tags.get(tag, "none")[:40], candidate.tags[tag][:40]
        if theirs != own:
            ranked = candidate.measured.champion
            if tag != "dataset" and ranked is not None and ranked.model == called:
                return ranked
            return f"the champion was tested on {tag} {theirs}, this run on {own}"
    return read_record(tracking.run_folder(champion, RECORD), called)
