"""What the champions' runs were registered with: what the server, drift and feedback work by.

Whoever lets a champion answer, watches it, or ingests what came of its answers, works by the
params that it was trained with, not by those of a folder that somebody edits.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from components.applications import APPLICATIONS, read_params, read_shared_params
from components.platform.application import Application
from components.platform.errors import AbsentError
from components.platform.files import scratch_folder
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


def run_params(owner: Application, version: "Version") -> Params | None:
    """Return the params of the run that a version comes from; None, and a line, without a run.

    Raises:
        ParamsError: this code cannot read the params.
        RegistryError, StorageError: MLflow does not answer, or the disk refuses the file.

    """
    return _read_run(owner, version, partial(read_params, owner))


def version_params(owner: Application, version: "Version", root: Path = Path()) -> Params:
    """Return the params of a version's run; where there is none, and a line, the checkout's.

    Raises:
        ParamsError, RegistryError, StorageError: as run_params.

    """
    params = run_params(owner, version)
    if params is None:
        say(f"{owner.name}: by the params of {root / PARAMS}")
        return read_params(owner, root / PARAMS)
    say(f"{owner.name}: by the params of the run of {version.name}/{version.version}")
    return params


def params_of(owner: Application, root: Path = Path()) -> Params:
    """Return the params of the champion's run; where there is none, and a line, the checkout's.

    Raises:
        ParamsError, RegistryError, StorageError: as run_params.

    """
    version = version_of(owner, root)
    if version is None:
        say(f"{owner.name}: there is no champion yet: by the params of {root / PARAMS}")
        return read_params(owner, root / PARAMS)
    return version_params(owner, version, root)


def feedback_params(root: Path = Path()) -> Params:
    """Return the shared params that feedback is ingested and judged by.

    Events of all applications are one stream, so one run says how they are read: that of the first
    champion among the applications that have items. The server takes events by the same rule.

    Raises:
        ParamsError, RegistryError, StorageError: as run_params.

    """
    for owner in APPLICATIONS:
        if owner.items is None:
            continue
        version = version_of(owner, root)
        if version is None:
            say(f"{owner.name}: there is no champion yet")
        elif (params := _read_run(owner, version, read_shared_params)) is not None:
            of = f"{version.name}/{version.version}"
            say(f"feedback by the params of {owner.name}'s champion: the run of {of}")
            return params
    say(f"feedback by the params of {root / PARAMS}: no champion's run says others")
    return read_shared_params(root / PARAMS)


def _read_run(
    owner: Application, version: "Version", read: Callable[[Path], Params]
) -> Params | None:
    from components.platform.registered_run import fetch_params

    with scratch_folder() as folder:
        try:
            file = fetch_params(version, folder)
        except AbsentError as error:  # a run that is not published yet, or was trained by hand
            say(f"{owner.name}: the params of the run cannot be read: {error}")
            return None
        return read(file)
