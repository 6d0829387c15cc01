"""A demo whose DAG succeeded has failed all the same where no champion is registered."""

import pytest

from components.platform.errors import RegistryError
from components.platform.settings import settings
from services import __main__ as command
from services.demo import let_shoppers_come, show_result
from services.replay.visits import NoVisitsError
from services.settings import ServiceSettings
from tests.registries import new_registry


def test_without_a_champion_the_demo_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("SHOPFUSION_MLFLOW_URI", new_registry(tmp_path))
    settings.cache_clear()
    with pytest.raises(RegistryError, match="expected a champion of fused-ranker after the run"):
        show_result(tmp_path)


def test_after_everything_was_replayed_it_goes_on(tmp_path, monkeypatch, capsys):
    def replay(*_):
        raise NoVisitsError("visits", "none", "choose earlier days")

    monkeypatch.setattr("services.demo.replay", replay)
    let_shoppers_come(ServiceSettings(home=tmp_path), tmp_path)
    assert "nobody is left to come" in capsys.readouterr().out


def test_and_its_exit_code_is_1(monkeypatch, capsys):
    def demo(*_):
        raise RegistryError("a champion after the run", "none", "see the log")

    monkeypatch.setattr("services.demo.demo", demo)
    assert command.main(["demo"]) == 1
    assert "expected a champion after the run; found none; see the log" in capsys.readouterr().err
