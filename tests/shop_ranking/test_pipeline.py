"""The applications and dvc.yaml tell the same story, and dvc.yaml tells all of it."""

from pathlib import Path
from types import SimpleNamespace

import grimp
import pytest
import yaml

from components.shop_ranking.application import STAGES
from components.shop_ranking.params import Params, load_params
from components.shop_ranking.towers import TOWERS
from tests.shop_ranking.params_read import Place, paths_read

ROOT = Path(__file__).parents[2]
DVC = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
FILES = ("data/", "models/", "reports/")
# Shared by every stage and free of anything that changes a result; who writes tables depends on
# schemas, who reads them depends on the tables.
PLUMBING = {
    f"platform.{name}"
    for name in (
        "cores",
        "errors",
        "feedback.off_policy",
        "files",
        "object_cache",
        "params",
        "progress",
        "schemas",
        "settings",
        "storage",
        "tracking",
    )
} | {
    "shop_ranking.params",
    "shop_ranking.towers",
    "shop_ranking.discovery",
    "shop_ranking.application",
}


def paths(stage: str, *kinds: str) -> set[str]:
    """Return the paths below some keys of a stage in dvc.yaml."""
    entries = [entry for kind in kinds for entry in DVC[stage].get(kind, [])]
    return {entry if isinstance(entry, str) else next(iter(entry)) for entry in entries}


def test_the_stages_are_the_same_in_the_same_order():
    assert list(STAGES) == list(DVC)
    assert {name: entry["cmd"] for name, entry in DVC.items()} == {
        name: f"python -m components {name}" for name in STAGES
    }


def test_params_yaml_names_every_param():
    """DVC reads params there and nowhere else: `dvc repro` fails on one that is left out."""
    whole, named = Params().model_dump(), yaml.safe_load((ROOT / "params.yaml").read_text())
    assert _paths_of(named) == _paths_of(whole)


def _paths_of(values: dict[str, object], above: str = "") -> set[str]:
    """Return the dotted path of every value; a mapping that may be empty is a value."""
    paths = set()
    for name, value in values.items():
        nested = isinstance(value, dict) and value
        paths |= _paths_of(value, f"{above}{name}.") if nested else {f"{above}{name}"}
    return paths


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_reads_and_writes_what_dvc_yaml_says(stage):
    arguments = STAGES[stage].paths
    declared = paths(stage, "deps", "outs", "metrics", "plots")
    assert {path for path in map(str, arguments.values()) if path.startswith(FILES)} == {
        path for path in declared if path.startswith(FILES)
    }


def _is_plumbing(name: str) -> bool:
    packages = {
        "components",
        "platform",
        "shop_ranking",
        "shop_ranking.engine",
        "platform.feedback",
    }
    packages |= {"shop_ranking.engine.towers", "platform.encoders"}
    return name in packages or any(f"{name}.".startswith(f"{plumbing}.") for plumbing in PLUMBING)


@pytest.mark.parametrize("stage", [name for name in STAGES if "always_changed" not in DVC[name]])
def test_code_that_a_stage_imports_is_among_its_deps(stage):
    """Otherwise DVC would answer from the cache after a change of that code."""
    graph = grimp.build_graph("components")
    graph.remove_module("components.shop_ranking.application")  # it names what others call
    imported = graph.find_upstream_modules(STAGES[stage].module)
    needed = {
        name.replace(".", "/")
        for name in imported
        if not _is_plumbing(name.removeprefix("components."))
    }
    deps = {dep.removesuffix(".py") for dep in paths(stage, "deps")}
    uncovered = {
        name
        for name in needed
        if not any(name == dep or name.startswith(f"{dep}/") for dep in deps)
    }
    assert not uncovered


@pytest.mark.parametrize("stage", [name for name in STAGES if "always_changed" not in DVC[name]])
def test_the_order_of_the_towers_is_a_dep_of_what_is_fitted_on_their_scores(stage):
    """Signals and features are arrays whose columns follow TOWERS."""
    graph = grimp.build_graph("components")
    if "components.shop_ranking.engine.signals" in graph.find_upstream_modules(
        STAGES[stage].module
    ):
        assert "components/shop_ranking/towers" in paths(stage, "deps")


@pytest.mark.parametrize("stage", STAGES)
def test_the_params_of_a_stage_exist(stage):
    values = Params().model_dump()
    for path in DVC[stage]["params"]:
        value = values
        for part in path.split("."):
            value = value[part]


class Recording:
    """Stands in for a section of params, and notes what is read of it."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def __getattr__(self, name: str) -> float:
        self.names.add(name)
        return 1.0


def _half_lives() -> set[str]:
    paths = set()
    for name, tower in TOWERS.items():
        section = Recording()
        tower.half_life_days(SimpleNamespace(**{name: section}))
        paths |= {f"{name}.{read}" for read in section.names}
    return paths


def _of_adapters() -> set[str]:
    files = (ROOT / "components/shop_ranking/data_ingestion/adapters").glob("*.py")
    adapters = [file.stem for file in files if "def acquire(" in file.read_text()]
    module = "components.shop_ranking.data_ingestion.adapters"
    places = [Place(f"{module}.{name}", "read") for name in adapters]
    return set().union(*(paths_read(place, {}) for place in places))


# What only running it can tell: a call as it is written -> what it reads.
CALLS = {
    "tower.half_life_days": _half_lives,
    "adapter_for(params.data.dataset).read": _of_adapters,
}
# The tags and the params of an MLflow run: nothing that a later stage reads.
TRACKING = Place("components.platform.tracking.runs", "stage_run")


@pytest.mark.parametrize("stage", [name for name in STAGES if "always_changed" not in DVC[name]])
def test_params_that_a_stage_reads_are_among_those_of_dvc_yaml(stage):
    """Otherwise DVC would answer from the cache after a change of that param."""
    known = {call: read() for call, read in CALLS.items()}
    read = paths_read(Place(STAGES[stage].module, "run"), known, [TRACKING])
    assert read
    named = DVC[stage]["params"]
    assert {path for path in read if not _covered(path, named)} == set()
    # And no other: a stage is not run again for what it does not read.
    assert {path for path in named if not any(_covered(other, [path]) for other in read)} == set()


def _covered(path: str, named: list[str]) -> bool:
    return any(f"{path}.".startswith(f"{other}.") for other in named)


def test_params_yaml_is_valid():
    assert load_params(ROOT / "params.yaml").data.dataset == "complete-journey"
