"""What a failed stage makes of its task: real commands under a real DVC."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.long  # real commands under a real DVC

ROOT = Path(__file__).resolve().parents[2]
# What the false programs of a person's start-up file leave behind.
FALSE_PROGRAM = "#!/bin/sh\necho 'the false program'\nexit 127\n"
STAGES = {
    "evaluation": "python -m components evaluation",  # a named error: its inputs are not there
    "lost": "kill -9 $$",
    "broken": "exit 1",
    "done": "touch done",
    "interpreter": "python -c 'import pyarrow, sys; print(sys.executable)' > interpreter",
}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("workspace")
    (folder / ".dvc").mkdir()
    (folder / ".dvc" / "config").write_text("[core]\n    no_scm = true\n    analytics = false\n")
    stages = {name: {"cmd": command} for name, command in STAGES.items()}
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    (folder / "params.yaml").write_text("{}")
    return folder


@pytest.mark.parametrize(
    ("stage", "tried_again"), [("evaluation", False), ("lost", True), ("broken", True)]
)
def test_only_what_another_try_may_mend_is_tried_again(
    stage: str, tried_again: bool, workspace: Path
) -> None:
    from airflow.sdk.exceptions import AirflowException, AirflowFailException

    with pytest.raises(AirflowException) as caught:
        run(stage, workspace)
    assert isinstance(caught.value, AirflowFailException) != tried_again


def test_a_stage_that_succeeds_is_a_task_that_does(workspace: Path) -> None:
    run("done", workspace)
    assert (workspace / "done").exists()


def run(stage: str, workspace: Path) -> None:
    from orchestration.stage_operator import StageOperator

    StageOperator(task_id=stage, stage=stage, workspace=str(workspace)).execute({})


@pytest.fixture
def person(tmp_path: Path) -> dict[str, str]:
    """The variables of somebody whose start-up files put another python and dvc first in PATH."""
    false = tmp_path / "false"
    false.mkdir()
    for name in ("python", "python3", "dvc"):
        (false / name).write_text(FALSE_PROGRAM)
        (false / name).chmod(0o755)
    for name in (".bashrc", ".bash_profile", ".profile", ".zshenv"):
        (tmp_path / name).write_text(f"export PATH={false}:$PATH\n")
    return {
        "HOME": str(tmp_path),
        "SHELL": "/bin/bash",
        "SHLVL": "0",
        "BASH_ENV": str(tmp_path / ".bashrc"),
        "PATH": f"{false}{os.pathsep}{os.defpath}",
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'dags'}",
        "AIRFLOW_HOME": os.environ["AIRFLOW_HOME"],
    }


@pytest.mark.parametrize("shlvl", ["0", None])
def test_the_stage_runs_in_the_environment_of_the_task(
    workspace: Path, person: dict[str, str], shlvl: str | None
) -> None:
    """Standard input is a socket and no shell stands above, as under cron or systemd."""
    script = (
        "import sys; from orchestration.stage_operator import StageOperator; "
        "StageOperator(task_id='it', stage='interpreter', workspace=sys.argv[1]).execute({})"
    )
    variables = {k: v for k, v in person.items() if k != "SHLVL"} | (
        {"SHLVL": shlvl} if shlvl else {}
    )
    (workspace / "interpreter").unlink(missing_ok=True)
    here, there = socket.socketpair()
    with here, there:
        done = subprocess.run(
            [sys.executable, "-c", script, workspace],
            env=variables,
            stdin=there,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert Path((workspace / "interpreter").read_text().strip()) == Path(sys.executable)
