"""Every benchmark imports, and says how it is called."""

import runpy
import sys
from importlib import import_module

import pytest

from tests.running import ROOT

ELSEWHERE = ROOT / "benchmarks/quality/speed/rectools_epoch.py"  # has an environment of its own
FILES = sorted({*(ROOT / "benchmarks").rglob("*.py")} - {ELSEWHERE})
NAMES = {file: ".".join(file.relative_to(ROOT).with_suffix("").parts) for file in FILES}
COMMANDS = [name for file, name in NAMES.items() if "__main__" in f"{name} {file.read_text()}"]


def test_there_are_benchmarks() -> None:
    named = {"benchmarks.serving", "benchmarks.swap", "benchmarks.quality.__main__"}
    assert named < set(COMMANDS)


@pytest.mark.parametrize("name", NAMES.values())
def test_it_imports(name: str) -> None:
    import_module(name)


@pytest.mark.parametrize("name", COMMANDS)
def test_it_says_how_it_is_called(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.delitem(sys.modules, name, raising=False)  # it runs anew
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module(name, run_name="__main__")
    assert not ended.value.code
    assert capsys.readouterr().out.startswith("usage: ")
