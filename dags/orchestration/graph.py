"""dvc.yaml as a graph: stages, and the edges between them that their files make."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from components.platform.errors import ParamsError


@dataclass(frozen=True)
class Stage:
    """One stage of dvc.yaml; paths are relative to the folder of dvc.yaml.

    Its `meta` says whose it is, in which group of tasks it stands, how long it may take, and the
    asset that is announced when it has ended.
    """

    name: str
    description: str
    application: str
    group: str
    limit: timedelta
    asset: str | None
    deps: frozenset[str]
    outs: frozenset[str]  # outs, metrics and plots
    uncached: frozenset[str]  # those that DVC keeps no copy of
    params: tuple[str, ...]


@dataclass(frozen=True)
class Pipeline:
    """The stages by name, and which of them needs which."""

    stages: dict[str, Stage]
    edges: frozenset[tuple[str, str]]  # (earlier, later)

    def of(self, application: str) -> "Pipeline":
        """Return the stages of one application, and the edges between them."""
        own = {
            name: stage for name, stage in self.stages.items() if stage.application == application
        }
        return Pipeline(own, frozenset(edge for edge in self.edges if own.keys() >= set(edge)))

    @property
    def groups(self) -> dict[str, list[str]]:
        """Groups of tasks and the names of their stages, in the order of dvc.yaml."""
        groups: dict[str, list[str]] = {}
        for name, stage in self.stages.items():
            groups.setdefault(stage.group, []).append(name)
        return groups

    def beside(self, name: str) -> int:
        """Return how many stages run at the same time as this one, itself included."""
        depths = {stage: self._depth(stage) for stage in self.stages}
        return sum(depth == depths[name] for depth in depths.values())

    def _depth(self, name: str) -> int:
        earlier = [first for first, second in self.edges if second == name]
        return 1 + max((self._depth(stage) for stage in earlier), default=0)


def load_pipeline(path: Path, applications: Collection[str]) -> Pipeline:
    """Read dvc.yaml, whose stages belong to these applications.

    Raises:
        ParamsError: a stage belongs to none of them, or does not say its group and hours.

    """
    entries: dict[str, dict[str, Any]] = yaml.safe_load(path.read_text())["stages"]
    stages = {name: _stage(name, entry, applications) for name, entry in entries.items()}
    edges = frozenset(
        (first.name, second.name)
        for first in stages.values()
        for second in stages.values()
        if first is not second
        and any(_overlap(out, dep) for out in first.outs for dep in second.deps)
    )
    return Pipeline(stages, edges)


def _stage(name: str, entry: dict[str, Any], applications: Collection[str]) -> Stage:
    meta = entry.get("meta", {})
    if meta.get("application") not in applications:
        raise ParamsError(
            f"meta.application of the stage {name} in dvc.yaml to be one of "
            f"{', '.join(applications)}",
            repr(meta.get("application")),
            "name one of them, or add yours to components/applications.py",
        )
    if lacking := {"group", "hours"} - meta.keys():
        raise ParamsError(
            f"meta.group and meta.hours of the stage {name} in dvc.yaml",
            f"no {' and no '.join(sorted(lacking))}",
            "add the group of tasks that it stands in, and the hours it may take",
        )
    written = [*entry.get("outs", []), *entry.get("metrics", []), *entry.get("plots", [])]
    return Stage(
        name=name,
        description=entry.get("desc", ""),
        application=meta["application"],
        group=meta["group"],
        limit=timedelta(hours=meta["hours"]),
        asset=meta.get("asset"),
        deps=_paths(entry.get("deps", [])),
        outs=_paths(written),
        uncached=_paths([output for output in written if not _cached(output)]),
        params=tuple(entry.get("params", [])),
    )


def _cached(entry: str | dict[str, Any]) -> bool:
    return isinstance(entry, str) or next(iter(entry.values())).get("cache", True)


def _paths(entries: list[str | dict[str, Any]]) -> frozenset[str]:
    """Return the paths of a list in which an entry with options is a mapping of one key."""
    return frozenset(entry if isinstance(entry, str) else next(iter(entry)) for entry in entries)


def _overlap(out: str, dep: str) -> bool:
    """Return whether one path is the other, or lies below it."""
    first, second = PurePosixPath(out), PurePosixPath(dep)
    return first.is_relative_to(second) or second.is_relative_to(first)
