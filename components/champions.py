"""What the champions' runs were registered with: what drift and feedback work by.

Whoever watches a champion, or ingests what came of its answers, works by the params that it was
trained with, not by those of a folder that somebody edits.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from components.applications import APPLICATIONS, read_params, read_shared_params
from components.platform.application import Application
from components.platform.errors import AbsentError
from components.platform.params import PARAMS, Params
from components.platform.progress import say
from components.platform.registry.policy import POLICY, load_policy

if TYPE_CHECKING:
    from components.platform.registered_run import RegisteredRun
    from components.platform.tracking import Version


@dataclass(frozen=True)
class Champion:
    """A champion, and the run that it comes from."""

    version: "Version"
    run: "RegisteredRun"


def version_of(owner: Application, root: Path = Path()) -> "Version | None":
    """Return the champion of an application, None where there is none yet.

    Args:
        owner: the application.
        root: folder of the registry policy, mlflow/registry.yaml.

    Raises:
        RegistryError: MLflow does not answer, or the policy is wrong.

    """
    from components.platform import tracking  # MLflow takes 3 s to import

    policy = load_policy(owner, root / POLICY)
    return tracking.version_at(policy.leading, policy.aliases.champion)


def champion_of(owner: Application, root: Path = Path()) -> Champion | None:
    """Return the champion of an application with its run; None where there is none yet.

    Raises:
        AbsentError: its run was not published.
        RegistryError, StorageError: MLflow or S3 does not answer.

    """
    from components.platform.registered_run import fetch_run

    version = version_of(owner, root)
    return Champion(version, fetch_run(version)) if version else None


def published(owner: Application, root: Path = Path()) -> Champion | None:
    """Return the champion with its run, None and a line where there is none, or no run of it.

    Raises:
        RegistryError, StorageError: MLflow or S3 does not answer.

    """
    try:
        champion = champion_of(owner, root)
    except AbsentError as error:  # a run that is not published yet, or was trained by hand
        say(f"{owner.name}: the champion's run cannot be read: {error}")
        return None
    if champion is None:
        say(f"{owner.name}: there is no champion yet")
    return champion


def params_of(owner: Application, root: Path = Path()) -> Params:
    """Return the params of the champion's run; where there is none, and a line, the checkout's.

    Raises:
        ParamsError: the params cannot be read.
        RegistryError, StorageError: MLflow or S3 does not answer.

    """
    champion = published(owner, root)
    if champion is None:
        say(f"{owner.name}: by the params of {root / PARAMS}")
        return read_params(owner, root / PARAMS)
    say(f"{owner.name}: by the params of {champion.run.params}")
    return read_params(owner, champion.run.params)


def feedback_params(root: Path = Path()) -> Params:
    """Return the shared params that feedback is ingested and judged by.

    Events of all applications are one stream, so one run says how they are read: that of the first
    champion among the applications that have items.

    Raises:
        ParamsError: the params cannot be read.
        RegistryError, StorageError: MLflow or S3 does not answer.

    """
    for owner in APPLICATIONS:
        if owner.items is not None and (champion := published(owner, root)) is not None:
            say(f"feedback by the params of {owner.name}'s champion: {champion.run.params}")
            return read_shared_params(champion.run.params)
    say(f"feedback by the params of {root / PARAMS}: no champion's run says others")
    return read_shared_params(root / PARAMS)
