"""A throwaway environment for RecTools, which needs numpy < 2; torch is shared with ours."""

import hashlib
import subprocess
import sys
import sysconfig
from pathlib import Path

from components.platform.errors import ServiceError
from components.platform.progress import say

LOCK = Path(__file__).with_name("rectools.lock")
NO_TORCH = 'torch; sys_platform == "never"\n'  # both sides must run the very same torch


def rectools_python(folder: Path) -> Path:
    """Return the interpreter of an environment in `folder`; made there if it is not yet.

    One that was made of another lock is made anew.

    Raises:
        ServiceError: the packages cannot be installed.

    """
    python = folder / "bin" / "python"
    ready, made_of = folder / "ready", hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if ready.exists() and ready.read_text() == made_of:
        return python
    say("speed: making an environment with RecTools (about 100 MB)")
    overrides = folder / "overrides.txt"
    uv = str(Path(sys.executable).parent / "uv")
    tool = uv if Path(uv).exists() else "uv"
    _run(tool, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder))
    overrides.write_text(NO_TORCH)
    _run(tool, "pip", "install", "--quiet", "--python", str(python), "--override", str(overrides),
         "--requirement", str(LOCK))  # fmt: skip
    own = next(folder.glob("lib/python*/site-packages"))
    # Read after its own packages: numpy < 2 hides ours, torch is found here.
    (own / "torch_of_the_project.pth").write_text(sysconfig.get_path("purelib") + "\n")
    ready.write_text(made_of)
    return python


def _run(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise ServiceError("uv to make an environment", "none", "run make install") from error
    if done.returncode:
        raise ServiceError(
            f"{' '.join(command[:3])} to succeed",
            " ".join(done.stderr.split())[-300:],
            "check that the package index can be reached",
        )
