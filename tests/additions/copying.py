"""A copy of the repository to which a test adds something, run with that copy first on the path."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
ADDITIONS = Path(__file__).parent


@dataclass(frozen=True)
class Copy:
    """A copy of the tracked files of code and config; `touched` counts what a test changed."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """Environment in which every process imports the copy, whatever is installed."""
        return os.environ | {"PYTHONPATH": str(self.folder)}

    def run(self, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run this environment's Python in the copy."""
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=cwd or self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
        )

    def touched(self) -> list[str]:
        """Return the files that are new or changed against the repository."""
        kept = ("components", "dags", "mlflow", "dvc.yaml", "params.yaml")
        files = (path for part in kept for path in _files(self.folder / part))
        return sorted(
            str(path.relative_to(self.folder))
            for path in files
            if _differs(path, ROOT / path.relative_to(self.folder))
        )

    def add_stage(self, name: str, entry: dict[str, object]) -> None:
        """Add a stage to dvc.yaml."""
        path = self.folder / "dvc.yaml"
        stages = yaml.safe_load(path.read_text())
        stages["stages"][name] = entry
        path.write_text(yaml.safe_dump(stages, sort_keys=False))

    def replace(self, path: str, old: str, new: str) -> None:
        """Change one place of one file."""
        text = (self.folder / path).read_text()
        assert text.count(old) == 1, f"{text.count(old)} places of {old!r} in {path}"
        (self.folder / path).write_text(text.replace(old, new))


def copy_repository(folder: Path) -> Copy:
    """Copy what git tracks, uncommitted edits included, without tests and docs."""
    listed = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in listed.split("\0"):
        if name and not name.startswith(("tests/", "docs/", "benchmarks/")):
            source = ROOT / name
            if source.is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, folder / name)
    return Copy(folder)


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    files = [inner for inner in path.rglob("*") if inner.is_file()]
    return [inner for inner in files if "__pycache__" not in inner.parts]


def _differs(path: Path, original: Path) -> bool:
    return not original.is_file() or path.read_bytes() != original.read_bytes()
