"""Up, down and status, with the real processes."""

import contextlib
import re
import socket
import stat
import subprocess
import sys

import httpx
import psutil
import pytest

from services import supervision
from services.settings import HOST
from tests.running import Platform, make_platform, run_services

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("services")]


def test_every_service_answers(platform: Platform):
    settings = platform.settings
    health = httpx.get(f"{settings.airflow_url}/api/v2/monitor/health").json()
    assert {part["status"] for part in health.values()} == {"healthy"}
    assert httpx.get(f"{settings.mlflow_url}/health").text == "OK"
    assert "Evidently" in httpx.get(settings.evidently_url).text
    assert httpx.get(settings.s3_url).status_code == httpx.codes.FORBIDDEN  # no keys, no answer


def test_everything_listens_on_loopback_only(platform: Platform):
    addresses = set()
    for process in supervision.processes(platform.settings):
        with contextlib.suppress(psutil.NoSuchProcess):  # Airflow's come and go
            addresses |= {
                connection.laddr.ip
                for connection in process.net_connections("tcp")
                if connection.status == psutil.CONN_LISTEN
            }
    assert addresses == {HOST}


def test_keys_are_private_and_not_on_any_command_line(platform: Platform):
    home = platform.settings.home
    for name in ("credentials.json", "supervisord.conf", "airflow/passwords.json"):
        assert stat.S_IMODE((home / name).stat().st_mode) == 0o600
    assert platform.keys.s3_secret_key not in str(platform.processes())


def pids(platform: Platform) -> dict[str, int]:
    """Return what supervisord runs; what these start themselves comes and goes."""
    return {name: program.pid for name, program in platform.programs().items()}


def test_starting_twice_says_so_and_changes_nothing(platform: Platform):
    before = pids(platform)
    again = platform.run("up")
    assert again.returncode == 0
    assert "are up already" in again.stdout
    assert platform.keys.airflow_password not in again.stdout  # printed once, at the first start
    assert pids(platform) == before


def test_status_shows_every_program(platform: Platform):
    status = platform.run("status")
    assert status.returncode == 0
    assert len(re.findall("running$", status.stdout, re.MULTILINE)) == 8


def test_env_lets_a_shell_reach_the_store(platform: Platform):
    exports = platform.run("env").stdout
    script = f"{exports}\n{sys.executable} -c 'from components.platform import storage; {LIST}'"
    printed = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert "shopfusion" in printed.stdout


def test_a_shell_with_other_ports_reaches_the_services_that_run(platform: Platform):
    """As `make demo` does in a shell that has forgotten the ports of `make up`."""
    elsewhere = {"SHOPFUSION_MLFLOW_PORT": "5999", "SHOPFUSION_AIRFLOW_PORT": "5998"}
    status = run_services(platform.environment | elsewhere, "status")
    assert status.returncode == 0
    assert platform.settings.mlflow_url in status.stdout
    assert platform.settings.airflow_url in status.stdout
    assert ":599" not in status.stdout


LIST = 'print([b["Name"] for b in storage.client().list_buckets()["Buckets"]])'


def test_a_busy_port_is_named_with_its_setting(tmp_path):
    other = make_platform(tmp_path)
    with socket.socket() as listener:
        listener.bind((HOST, other.settings.mlflow_port))
        listener.listen()
        refused = other.run("up")
    assert refused.returncode == 1
    port = other.settings.mlflow_port
    assert f"expected port {port} of {HOST} to be free" in refused.stderr
    assert "set SHOPFUSION_MLFLOW_PORT to another port" in refused.stderr
    assert not supervision.processes(other.settings)


def test_a_service_that_cannot_start_shows_its_log_and_leaves_nothing(tmp_path):
    other = make_platform(tmp_path)
    (tmp_path / "s3").mkdir()
    (tmp_path / "s3" / "filerldb2").write_text("where SeaweedFS wants a folder")
    refused = other.run("up")
    assert refused.returncode == 1
    assert "expected s3 to be up; found " in refused.stderr
    assert "filerldb2" in refused.stderr  # the end of its log
    assert not supervision.processes(other.settings)


def test_down_ends_orphans_too_and_says_when_nothing_runs(tmp_path):
    other = make_platform(tmp_path)
    marked = other.environment | {"SHOPFUSION_SUPERVISED_BY": str(other.settings.home)}
    orphan = subprocess.Popen(["sleep", "600"], env=marked, start_new_session=True)
    try:
        assert "1 processes ended" in other.run("down").stdout
        assert orphan.wait(timeout=10) != 0
    finally:
        orphan.kill()
    assert "Nothing was running." in other.run("down").stdout


def test_wrong_usage_has_exit_code_2(tmp_path):
    refused = make_platform(tmp_path).run("start")
    assert refused.returncode == 2
    assert "usage: python -m services" in refused.stderr
