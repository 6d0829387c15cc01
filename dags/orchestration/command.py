"""Programs of this environment, run without a shell.

Bash reads ~/.bashrc where SHLVL is below 1 and its standard input is a socket, as in a task of
services that cron, systemd or an IDE started. What stands there (pyenv, conda) comes first in PATH.
"""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path


def dvc(*arguments: str) -> list[str]:
    """Return the command line of DVC under this process's interpreter."""
    return [sys.executable, "-P", "-m", "dvc", *arguments]


def own_environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return this process's environment in which `python` is this interpreter, and `more`.

    DVC gives the commands of dvc.yaml to $SHELL; /bin/sh reads no start-up file.
    """
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return {**os.environ, "SHELL": "/bin/sh", **(more or {}), "PATH": path}


def start(
    command: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> "subprocess.Popen[str]":
    """Start a program with nothing to read, in a process group of its own; both outputs are one."""
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="backslashreplace",
        start_new_session=True,
    )
