"""Airflow's database is locked for a moment: the request is made again."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace

import pytest

from components.platform.errors import ServiceError
from services import airflow_api
from services.airflow_api import AirflowApi

LOCKED = (500, {"detail": {"reason": "Database error"}})
MADE = (200, {"dag_run_id": "manual__1"})


Answer = tuple[int, object]


@dataclass
class Airflow:
    """A server that gives these answers to triggers, one after the other."""

    url: str
    answers: list[Answer]

    def trigger(self, *answers: Answer) -> str:
        self.answers.extend(answers)
        keys = SimpleNamespace(airflow_password="secret")
        with AirflowApi(SimpleNamespace(airflow_url=self.url), keys) as airflow:
            return airflow.trigger("a_dag", {})


@pytest.fixture
def airflow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Airflow]:
    monkeypatch.setattr(airflow_api, "BUSY_SECONDS", (0.001, 0.001, 0.0))
    answers: list[Answer] = []

    class Answering(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            signing_in = self.path == "/auth/token"
            status, body = (200, {"access_token": "a"}) if signing_in else answers.pop(0)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answering)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Airflow(f"http://127.0.0.1:{server.server_port}", answers)
    server.shutdown()
    server.server_close()


def test_a_locked_database_is_asked_again(airflow):
    assert airflow.trigger(LOCKED, LOCKED, MADE) == "manual__1"
    assert airflow.answers == []


def test_after_the_last_pause_the_answer_stands(airflow):
    with pytest.raises(ServiceError, match=r"500 .*Database error"):
        airflow.trigger(LOCKED, LOCKED, LOCKED, MADE)
    assert airflow.answers == [MADE]


def test_another_fault_is_not_asked_again(airflow):
    with pytest.raises(ServiceError, match=r"500 .*broken"):
        airflow.trigger((500, {"detail": "broken"}), MADE)
    assert airflow.answers == [MADE]
