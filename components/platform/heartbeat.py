"""A stage's sign of life: how long it works, on what, and how long it took the last time."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

from components.platform.errors import StorageError
from components.platform.files import atomic_file, write_json
from components.platform.progress import running_part, say, seconds_by_part
from components.platform.settings import settings, writes

SECONDS = 8.0  # between two lines: nobody waits 10 s for one. Capacity only: changes no result.


@contextmanager
def heartbeat(stage: str, every: float = SECONDS, folder: Path | None = None) -> Iterator[None]:
    """Say every few seconds how far the stage is, while the block runs.

    Args:
        stage: its name.
        every: seconds between two lines.
        folder: where durations of the last run are kept; below the folder of all state by default.

    The last line is also kept in a file, for whoever shows the run. A block that ends without an
    error leaves its duration and those of its parts for the next run. Nothing here fails a stage.
    Of several processes that train together only the first one speaks.
    """
    if not writes():
        yield
        return
    kept = folder or stage_times(settings().home)
    before, started, over = last_seconds(kept, stage), time.monotonic(), Event()
    parts_before = seconds_by_part()

    def line() -> str:
        now = running_part()
        return ", ".join(
            [
                f"{stage}: {in_words(time.monotonic() - started)}",
                *([f"now: {now}"] if now else []),
                *([f"last time {in_words(before)}"] if before is not None else []),
            ]
        )

    def beat() -> None:
        while not over.wait(every):
            text = line()
            say(text)
            _keep_line(kept, stage, text)

    thread = Thread(target=beat, name=f"heartbeat of {stage}", daemon=True)
    say(f"{stage}: begins" + (f", last time {in_words(before)}" if before is not None else ""))
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        with suppress(OSError):
            _line_file(kept, stage).unlink(missing_ok=True)
    seconds = time.monotonic() - started
    parts = {
        name: round(total - parts_before.get(name, 0.0), 1)
        for name, total in seconds_by_part().items()
        if total > parts_before.get(name, 0.0)
    }
    listed = ", ".join(f"{name} {taken:g} s" for name, taken in parts.items())
    say(f"{stage}: done in {in_words(seconds)}" + (f" ({listed})" if listed else ""))
    try:
        write_json({"seconds": round(seconds, 1), "parts": parts}, kept / f"{stage}.json")
    except StorageError as error:
        say(f"how long it took is not kept: {error}")


def stage_times(home: Path) -> Path:
    """Return the folder of durations and last lines below a folder of all state."""
    return home / "stages"


def last_seconds(folder: Path, stage: str) -> float | None:
    """Return how long the stage took the last time; None where nobody knows."""
    try:
        return float(json.loads((folder / f"{stage}.json").read_text())["seconds"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def last_line(folder: Path, stage: str) -> str | None:
    """Return the last line of a stage that works at this moment; None where none does."""
    try:
        return _line_file(folder, stage).read_text().strip() or None
    except OSError:
        return None


def in_words(seconds: float) -> str:
    """Return a duration in words.

    >>> in_words(130.4), in_words(42.0)
    ('2 min 10 s', '42 s')
    """
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _line_file(folder: Path, stage: str) -> Path:
    return folder / f"{stage}.now"


def _keep_line(folder: Path, stage: str, text: str) -> None:
    with suppress(StorageError, OSError), atomic_file(_line_file(folder, stage)) as file:
        file.write_text(text + "\n")
