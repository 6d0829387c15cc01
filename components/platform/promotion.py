"""Who is champion, who was before, and how that changes: promotion and roll back.

The aliases in the registry are the only truth, and a person may move them in MLflow's pages at any
time. MLflow keeps no history of an alias, so the registered model carries one tag, SEEN: the
champion this platform last saw. Where `champion` is no longer that one, a person moved it, and
SEEN is the champion before; `reconcile` then points `previous` at it. Whoever reads or moves
`previous` reconciles first, so it never matters whether anybody was watching.
"""

from dataclasses import dataclass

from components.platform import tracking
from components.platform.errors import RegistryError
from components.platform.registry.policy import Policy
from components.platform.tracking import Version

SEEN = "champion_seen"


@dataclass(frozen=True)
class Champions:
    """The three aliases, and whether a person moved `champion` since the platform last looked."""

    champion: Version | None
    previous: Version | None
    challenger: Version | None
    moved_by_hand: bool = False


def champions(policy: Policy) -> Champions:
    """Read the aliases; change nothing.

    Raises:
        RegistryError: MLflow does not answer.

    """
    name, aliases = policy.leading, policy.aliases
    return Champions(
        champion=tracking.version_at(name, aliases.champion),
        previous=tracking.version_at(name, aliases.previous),
        challenger=tracking.version_at(name, aliases.challenger),
    )


def reconcile(policy: Policy) -> Champions:
    """Make `previous` mean the champion before the present one, whoever moved `champion`.

    Raises:
        RegistryError: MLflow does not answer.

    """
    now, name = champions(policy), policy.leading
    if now.champion is None:
        return now
    seen = tracking.model_tag(name, SEEN)
    if seen == now.champion.version:
        return now
    previous = now.previous
    if seen is not None:
        previous = tracking.version(name, seen)
        tracking.move_alias(policy.aliases.previous, previous)
    tracking.tag_model(name, SEEN, now.champion.version)
    return Champions(now.champion, previous, now.challenger, moved_by_hand=seen is not None)


def promote(policy: Policy, version: str, instead_of: str | None) -> Champions:
    """Make a version the champion, and the champion of now the previous one.

    Every step may be repeated: killed anywhere, promoting again (or `reconcile`) ends where an
    uninterrupted promotion does.

    Args:
        policy: names and aliases.
        version: number of the version that is promoted.
        instead_of: number of the champion that it was compared with, None where there was none.

    Raises:
        RegistryError: another champion stands there by now: the verdict was about a former one;
            or there is no such version, or MLflow does not answer.

    """
    before, promoted = reconcile(policy), tracking.version(policy.leading, version)
    champion = before.champion
    if champion is not None and champion.version == version:
        return before
    number = champion.version if champion else None
    if number != instead_of:
        raise RegistryError(
            f"version {instead_of or 'none'} as the champion that version {version} replaces",
            f"version {number or 'none'}",
            "decide again: the champion changed after the question was asked",
        )
    if champion is not None:
        tracking.move_alias(policy.aliases.previous, champion)
    tracking.move_alias(policy.aliases.champion, promoted)
    tracking.tag_model(promoted.name, SEEN, version)
    return Champions(promoted, champion, before.challenger)


def rollback(policy: Policy) -> Champions:
    """Let `champion` and `previous` change places.

    Raises:
        RegistryError: there is no previous champion, or MLflow does not answer.

    """
    before = reconcile(policy)
    champion, previous = before.champion, before.previous
    if champion is None or previous is None or champion.version == previous.version:
        raise RegistryError(
            f"a previous champion of {policy.leading} to go back to",
            "none",
            "promote another version: a roll back needs two champions",
        )
    tracking.move_alias(policy.aliases.champion, previous)
    tracking.move_alias(policy.aliases.previous, champion)
    tracking.tag_model(previous.name, SEEN, previous.version)
    return Champions(previous, champion, before.challenger)
