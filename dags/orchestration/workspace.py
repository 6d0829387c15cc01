"""The run workspace: a folder of its own in which one DAG run's stages work.

It holds a copy of the tracked files, uncommitted edits included, the run's own params.yaml, and a
DVC repository (without git) that shares its cache with every other run.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from configparser import ConfigParser
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from components.applications import APPLICATIONS
from components.platform.application import Application
from components.platform.files import write_json
from components.platform.progress import say
from components.platform.settings import settings
from orchestration.dvc_lock import lock_owner
from orchestration.overrides import write_params
from orchestration.registry import policy
from orchestration.runs import ORIGIN, Origin, folder, state, workspaces_beside

# Beside the code in a checkout, an image or a workspace: environment, state, what stages write.
NOT_SOURCE = {".venv", ".state", ".git", ".checkpoints", "data", "models", "reports"}
AT_WORK = 3600.0  # seconds; a stage may be at work where something was written so lately


def create(
    application: Application, source: Path, pipeline_run: str, overrides: Mapping[str, Any]
) -> Path:
    """Make the workspace of a run of an application from the checkout (or image folder) `source`.

    Making it again keeps what the stages had written there, so that a cleared run goes on.

    Raises:
        ParamsError: an override names no param, or its value is out of range.
        RegistryError: a part shall be taken over from a champion that does not exist.

    """
    target = folder(pipeline_run)
    target.mkdir(parents=True, exist_ok=True)
    made = Origin(pipeline_run, revision(source), dict(overrides))
    write_json(asdict(made), target / ORIGIN)
    for name in source_files(source):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source / name, target / name)
    write_params(application, source, target, overrides)
    _set_up_dvc(target)
    say(f"workspace {target}\nrevision {made.git_revision}\noverrides {made.overrides}")
    return target


def prune(keep: int, pipeline_run: str) -> list[str]:
    """Delete the workspaces of this run's DAG that were written longest ago; return their names.

    `keep` stay, this run's among them, and all of other DAGs. So do those in which a stage may be
    at work, and those of each application's champion and of the one before: a replay of the past
    reads the tables that lie there.

    Raises:
        RegistryError: MLflow does not answer, so nobody knows which those are.

    """
    written = {path: _last_write(path) for path in workspaces_beside(pipeline_run)}
    old = sorted(written, key=lambda path: written[path], reverse=True)[keep - 1 :]
    lately = time.time() - AT_WORK
    idle = [path for path in old if written[path] < lately and lock_owner(path) is None]
    in_use = _served() if idle else set()
    gone = [path for path in idle if path not in in_use]
    for path in gone:
        shutil.rmtree(path)
    return [path.name for path in gone]


def _last_write(workspace: Path) -> float:
    """Return when something in a workspace was last written, as seconds since 1970.

    The folder's own time says only when an entry right in it came or went.
    """
    times = [workspace.stat().st_mtime]
    for parent, folders, files in os.walk(workspace):  # passes over what goes away meanwhile
        for name in (*folders, *files):
            with suppress(FileNotFoundError):
                times.append(os.lstat(os.path.join(parent, name)).st_mtime)
    return max(times)


def _served() -> set[Path]:
    """Return the workspaces that champions and those before them come from."""
    from components.platform import tracking  # MLflow takes 3 s to import

    versions = [
        tracking.version_at(rules.leading, alias)
        for rules in map(policy, APPLICATIONS)
        for alias in (rules.aliases.champion, rules.aliases.previous)
    ]
    runs = [version.tags.get("pipeline_run") for version in versions if version]
    return {folder(run) for run in runs if run}


def revision(source: Path) -> str:
    """Return the git revision of a folder, marked where tracked or new files differ from it."""
    commit = _git(source, "rev-parse", "HEAD")
    if commit is None:
        return "none"
    return commit.strip() + ("-dirty" if _git(source, "status", "--porcelain") else "")


def source_files(source: Path) -> list[str]:
    """Return the files of the code: what git does not ignore, or where there is no git, all."""
    listed = _git(source, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    if listed is not None:
        return [name for name in listed.split("\0") if name and (source / name).is_file()]
    files = (path.relative_to(source) for path in source.rglob("*") if path.is_file())
    return [
        str(path)
        for path in files
        if path.parts[0] not in NOT_SOURCE and "__pycache__" not in path.parts
    ]


def _git(source: Path, *arguments: str) -> str | None:
    """Run git on the folder itself, not on a repository it happens to lie in."""
    if not (source / ".git").exists():
        return None
    done = subprocess.run(
        ["git", "-C", source, *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout


def _set_up_dvc(target: Path) -> None:
    """Turn the copy into a DVC repository of its own, without the 8 s that its commands take."""
    config = ConfigParser()
    config.read(target / ".dvc" / "config")
    config["core"].update(no_scm="true", remote="s3")
    config["'remote \"s3\"'"] = {"url": f"s3://{settings().s3_bucket}/dvc"}
    _write(config, target / ".dvc" / "config")
    local = ConfigParser()
    local["core"] = {"site_cache_dir": str(target / ".dvc" / "site")}
    local["cache"] = {
        "dir": str(state() / "dvc" / "cache"),
        "type": "reflink,hardlink,symlink,copy",
    }
    _write(local, target / ".dvc" / "config.local")


def _write(config: ConfigParser, path: Path) -> None:
    with path.open("w") as file:
        config.write(file)
