"""MLflow's database, empty: its tables are made once in a process, which takes seconds."""

from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory


def new_registry(folder: Path) -> str:
    """Put an empty database into a folder that has none; return its address for MLflow."""
    path = folder / "mlflow.db"
    if not path.exists():
        path.write_bytes(_empty())
    return f"sqlite:///{path}"


@lru_cache(maxsize=1)
def _empty() -> bytes:
    import mlflow

    # In memory where that can be: each of some hundred migrations waits for the disk.
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if memory.is_dir() else None) as scratch:
        path = Path(scratch) / "mlflow.db"
        mlflow.MlflowClient(f"sqlite:///{path}").search_experiments()
        return path.read_bytes()
