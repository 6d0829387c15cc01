"""What a person is asked before a version becomes champion."""

from components.platform import tracking
from components.platform.errors import RegistryError, StorageError
from components.platform.feedback.off_policy import concluded
from components.platform.files import scratch_folder
from components.platform.promotion import reconcile
from components.platform.registry.fetching import parent_tag
from components.platform.registry.policy import Policy
from components.platform.registry.registering import RECORD
from components.platform.tracking import Version

# Tags of a version that say nothing of where it comes from: its digest, and what the gate said.
NO_ORIGIN = {"content", "gate", "aliases_moved"}


def ask(policy: Policy, version: str | None = None) -> dict[str, str | None] | None:
    """Return the question about a version, or about the challenger.

    Keys: version, instead_of (the champion it would replace, None where there is none), subject,
    and body in Markdown: the verdict table, what logged answers say, and where the version comes
    from.

    None where there is nothing to ask: the version is champion already; or nobody named it, and
    the gate rejected it.

    Raises:
        RegistryError: there is no such version, or MLflow does not answer.

    """
    now, name = reconcile(policy), policy.leading
    candidate = tracking.version(name, version) if version else now.challenger
    if candidate is None:
        raise RegistryError(
            f"a challenger of {name}", "none", f"run the DAG {policy.application}_training"
        )
    champion = now.champion
    if champion is not None and champion.version == candidate.version:
        return None
    gate = candidate.tags.get("gate", "unknown")
    if version is None and gate == "rejected":
        return None
    return {
        "version": candidate.version,
        "instead_of": champion.version if champion else None,
        "subject": f"Promote {name} version {candidate.version}? Gate: {gate}",
        "body": _body(candidate, champion),
    }


def _body(candidate: Version, champion: Version | None) -> str:
    with scratch_folder() as scratch:
        verdict = (tracking.run_folder(candidate, RECORD, scratch) / "verdict.md").read_text()
    facts = [
        f"| {name} | {candidate.tags.get(name, '-')} | "
        f"{champion.tags.get(name, '-') if champion else '-'} |"
        for name in _origin(candidate)
    ]
    return "\n".join(
        [
            verdict,
            f"Off policy, from logged answers: {_off_policy(candidate)}",
            "",
            f"| | version {candidate.version} | "
            f"champion {champion.version if champion else 'none'} |",
            "|---|---|---|",
            *facts,
        ]
    )


def _origin(candidate: Version) -> list[str]:
    """Return the tags that say where a version comes from, in the order of their names."""
    of_parts = parent_tag("")  # what the tags of parts begin with
    return sorted(
        name for name in candidate.tags if name not in NO_ORIGIN and not name.startswith(of_parts)
    )


def _off_policy(candidate: Version) -> str:
    """Return what feedback ingestion concluded last about a version, in one line."""
    try:
        conclusions = concluded()
    except StorageError as error:
        return f"unknown ({error})"
    return conclusions.get(f"{candidate.name}/{candidate.version}", "not estimated yet")
