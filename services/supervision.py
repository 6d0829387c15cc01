"""supervisord: writes its configuration, asks it for the programs' states, stops everything."""

import contextlib
import http.client
import os
import subprocess
import xmlrpc.client
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from supervisor.xmlrpc import SupervisorTransport

from components.platform.errors import ServiceError
from services.credentials import write_private
from services.programs import BIN, MARK, Program
from services.settings import ROOT, ServiceSettings

LONGEST_SOCKET_PATH = 100  # bytes that every system allows for the path of a Unix socket
SECONDS_TO_STOP = 20.0


def socket(settings: ServiceSettings) -> Path:
    """Return the path of supervisord's control socket."""
    return settings.home / "supervisor.sock"


def configuration(programs: Sequence[Program], settings: ServiceSettings) -> str:
    """Return supervisord's configuration file."""
    home = settings.home
    text = f"""[supervisord]
logfile={_escaped(str(settings.logs / "supervisord.log"))}
logfile_maxbytes=10MB
logfile_backups=2
pidfile={_escaped(str(home / "supervisord.pid"))}
childlogdir={_escaped(str(settings.logs))}
directory={_escaped(str(home))}
identifier=shopfusion
umask=077

[unix_http_server]
file={_escaped(str(socket(settings)))}
chmod=0600

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""
    for program in programs:
        command = " ".join(f'"{part}"' for part in program.command)
        environment = ",".join(f'{name}="{value}"' for name, value in program.environment.items())
        text += f"""
[program:{program.name}]
command={_escaped(command)}
directory={_escaped(str(program.folder or home))}
environment={_escaped(environment)}
autostart={"false" if program.group == "airflow" else "true"}
autorestart=unexpected
startsecs=2
startretries=2
stopasgroup=true
killasgroup=true
stopwaitsecs=10
redirect_stderr=true
stdout_logfile={_escaped(str(settings.logs / program.name))}.log
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=2
"""
    return text


def start(programs: Sequence[Program], settings: ServiceSettings) -> None:
    """Start supervisord in the background; it starts all programs but Airflow's.

    Raises:
        ServiceError: the state folder's path is too long or odd, or supervisord refuses to start.

    """
    path = str(socket(settings))
    if len(path.encode()) > LONGEST_SOCKET_PATH or '"' in path:
        raise ServiceError(
            f"a state folder whose path has fewer than {LONGEST_SOCKET_PATH} bytes and no quotes",
            str(settings.home),
            "set SHOPFUSION_HOME to a shorter one",
        )
    config = settings.home / "supervisord.conf"
    write_private(config, configuration(programs, settings))
    settings.logs.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [BIN / "supervisord", "-c", config],
        cwd=ROOT,
        env=os.environ | {MARK: str(settings.home)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ServiceError(
            "supervisord to start", _one_line(done.stderr), f"see {settings.logs}/supervisord.log"
        )


def start_group(settings: ServiceSettings, names: Sequence[str]) -> None:
    """Start these programs, without waiting until they are up."""
    for name in names:
        _control(settings).startProcess(name, False)


def start_anew(name: str, programs: Sequence[Program], settings: ServiceSettings) -> None:
    """Start one program again as it stands in `programs`; the others go on untouched."""
    write_private(settings.home / "supervisord.conf", configuration(programs, settings))
    control = _control(settings)
    control.reloadConfig()
    control.stopProcess(name)
    control.removeProcessGroup(name)
    control.addProcessGroup(name)


def environment_of(name: str, settings: ServiceSettings) -> dict[str, str]:
    """Return the environment a running program was started with; empty where it does not run."""
    try:
        return psutil.Process(_control(settings).getProcessInfo(name)["pid"]).environ()
    except (psutil.Error, xmlrpc.client.Fault):
        return {}


@dataclass(frozen=True)
class State:
    """What supervisord says of one program."""

    word: str  # RUNNING, STARTING, FATAL, ...
    since: int  # seconds since 1970 at its last start, 0 before the first
    pid: int  # 0 where it does not run


def states(settings: ServiceSettings) -> dict[str, State]:
    """Return the state of every program; empty when down."""
    try:
        infos = _control(settings).getAllProcessInfo()
    except (OSError, http.client.HTTPException, xmlrpc.client.Fault):
        return {}  # nobody listens, or it is shutting down
    return {info["name"]: State(info["statename"], info["start"], info["pid"]) for info in infos}


def processes(settings: ServiceSettings) -> list[psutil.Process]:
    """Return supervisord and every process that descends from it, orphans included."""
    marked = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == str(settings.home):
                marked.append(process)
        except psutil.Error:
            continue  # it has just ended, or it is somebody else's
    return marked


def stop(settings: ServiceSettings) -> int:
    """Stop everything that was started for this state folder; return how many processes ended."""
    running = processes(settings)
    if states(settings):
        supervisord = psutil.Process(_control(settings).getPID())
        _control(settings).stopAllProcesses()  # side by side; shutdown alone goes one by one
        _control(settings).shutdown()
        psutil.wait_procs([supervisord], timeout=SECONDS_TO_STOP)
    orphans = processes(settings)
    for process in orphans:
        _signal(process, "terminate")
    for process in psutil.wait_procs(orphans, timeout=5)[1]:
        _signal(process, "kill")
    for process in processes(settings):
        _signal(process, "kill")
    psutil.wait_procs(running, timeout=5)
    return len(running)


def _signal(process: psutil.Process, how: str) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        getattr(process, how)()


def _control(settings: ServiceSettings) -> Any:
    transport = SupervisorTransport(None, None, f"unix://{socket(settings)}")
    return xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport).supervisor


def _escaped(text: str) -> str:
    return text.replace("%", "%%")


def _one_line(text: str) -> str:
    return " ".join(text.split()) or "no message"
