"""A copy of the repository to which a test adds something, and which runs in its own process."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
COPIED = ("components", "mlflow", "tests", "dvc.yaml", "params.yaml", "requirements-serving.lock")


class Copy:
    """The copy, and what it costs: files that are new or differ from the repository's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        ignored = shutil.ignore_patterns("__pycache__")
        for name in COPIED:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, folder / name, ignore=ignored)
            else:
                shutil.copy(ROOT / name, folder / name)

    def add(self, path: str, text: str) -> None:
        """Write a new file."""
        target = self.folder / path
        assert not target.exists()
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def edit(self, path: str, before: str, after: str) -> None:
        """Replace the one place where `before` stands."""
        text = (self.folder / path).read_text()
        assert text.count(before) == 1, path
        (self.folder / path).write_text(text.replace(before, after))

    def touched(self) -> tuple[list[str], list[str]]:
        """Return the new files of code and config, and the edited ones."""
        new, edited = [], []
        for path in sorted(self.folder.rglob("*")):
            name = path.relative_to(self.folder)
            if path.is_dir() or "__pycache__" in name.parts:
                continue
            if not (ROOT / name).is_file():
                new.append(str(name))
            elif path.read_bytes() != (ROOT / name).read_bytes():
                edited.append(str(name))
        return new, edited

    def run(self, script: str, *arguments: object, work: Path) -> str:
        """Run a script on the copy's code in the folder `work`; returns what it printed."""
        done = subprocess.run(
            [sys.executable, "-c", script, *map(str, arguments)],
            cwd=work,
            env={**os.environ, "PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-4000:]
        return done.stdout
