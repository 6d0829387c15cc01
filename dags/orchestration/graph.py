"""dvc.yaml as a graph: stages, and the edges between them that their files make."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml


@dataclass(frozen=True)
class Stage:
    """One stage of dvc.yaml; paths are relative to the folder of dvc.yaml."""

    name: str
    description: str
    deps: frozenset[str]
    outs: frozenset[str]  # outs, metrics and plots
    uncached: frozenset[str]  # those that DVC keeps no copy of
    params: tuple[str, ...]


@dataclass(frozen=True)
class Pipeline:
    """The stages by name, and which of them needs which."""

    stages: dict[str, Stage]
    edges: frozenset[tuple[str, str]]  # (earlier, later)

    def beside(self, name: str) -> int:
        """Return how many stages run at the same time as this one, itself included."""
        depths = {stage: self._depth(stage) for stage in self.stages}
        return sum(depth == depths[name] for depth in depths.values())

    def _depth(self, name: str) -> int:
        earlier = [first for first, second in self.edges if second == name]
        return 1 + max((self._depth(one) for one in earlier), default=0)


def load_pipeline(path: Path) -> Pipeline:
    """Read dvc.yaml."""
    entries: dict[str, dict[str, Any]] = yaml.safe_load(path.read_text())["stages"]
    stages = {name: _stage(name, entry) for name, entry in entries.items()}
    edges = frozenset(
        (first.name, second.name)
        for first in stages.values()
        for second in stages.values()
        if first is not second
        and any(_overlap(out, dep) for out in first.outs for dep in second.deps)
    )
    return Pipeline(stages, edges)


def _stage(name: str, entry: dict[str, Any]) -> Stage:
    written = [*entry.get("outs", []), *entry.get("metrics", []), *entry.get("plots", [])]
    return Stage(
        name=name,
        description=entry.get("desc", ""),
        deps=_paths(entry.get("deps", [])),
        outs=_paths(written),
        uncached=_paths([one for one in written if not _cached(one)]),
        params=tuple(entry.get("params", [])),
    )


def _cached(entry: str | dict[str, Any]) -> bool:
    return isinstance(entry, str) or next(iter(entry.values())).get("cache", True)


def _paths(entries: list[str | dict[str, Any]]) -> frozenset[str]:
    """Return the paths of a list in which an entry with options is a mapping of one key."""
    return frozenset(entry if isinstance(entry, str) else next(iter(entry)) for entry in entries)


def _overlap(out: str, dep: str) -> bool:
    """Return whether one path is the other, or lies below it."""
    one, other = PurePosixPath(out), PurePosixPath(dep)
    return one.is_relative_to(other) or other.is_relative_to(one)
