"""Where a registered model comes from: tags from which its training can be found and rebuilt."""

import hashlib
import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import yaml

from components.platform.errors import DataError
from components.platform.files import read_table
from components.platform.settings import settings
from components.platform.tracking import TRAINED_UNTIL
from components.shop_ranking.engine.test_rows import measured_at, rows_digest
from components.shop_ranking.params import Params

LOCK = Path("dvc.lock")
STAGE = "model_registration"


def provenance(params: Params, tables: Path, prepared: Path) -> dict[str, str]:
    """Return the tags that every model registered from this run carries.

    Raises:
        DataError: ingestion or preparation left no account of what it read.

    """
    cuts = _json(prepared / "cuts.json")
    test = next(cut for cut in cuts if cut["role"] == "test")
    ingestion = _json(tables / "ingestion.json")
    return {
        "dataset": ingestion["dataset"],
        "simulated": str(ingestion["simulated"]).lower(),
        "pictures": ingestion["images"],
        "data_first_event": _first_event(prepared, cuts[-1]),
        "data_as_of": str(params.preparation.as_of or "all"),
        **{f"cut_{cut['name']}": cut["day"] for cut in cuts},
        "horizon_days": str(test["horizon_days"]),
        TRAINED_UNTIL: cuts[-1]["day"],
        "measured_at": measured_at(params.evaluation),
        "test_rows": rows_digest(prepared, test["name"]),
        "dvc_lock": lock_digest(LOCK) if LOCK.is_file() else "none",
        "git_revision": _revision(),
        "pipeline_run": settings().run_id or "none",
    }


def lock_digest(lock: Path) -> str:
    """Return the SHA-256 of what dvc.lock says of all stages but this one.

    DVC writes this stage's own entry when it has ended, so the file's own digest cannot be known
    while it runs; that of the other entries is the same before and after.
    """
    stages = yaml.safe_load(lock.read_text()).get("stages", {})
    others = {name: entry for name, entry in stages.items() if name != STAGE}
    return hashlib.sha256(json.dumps(others, sort_keys=True).encode()).hexdigest()


def _first_event(prepared: Path, cut: dict[str, str]) -> str:
    """Return the day of the oldest event known at the cut."""
    days = read_table(prepared / "cuts" / cut["name"] / "sequences.parquet", ["day"])["day"]
    oldest = pc.max(pc.list_flatten(days)).as_py() or 0.0
    day = datetime.fromisoformat(cut["day"]).replace(tzinfo=UTC) - timedelta(days=oldest)
    return day.date().isoformat()


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise DataError(f"the account in {path}", str(error), "run the stages before") from error


def _revision() -> str:
    if settings().git_revision:
        return settings().git_revision
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
        capture_output=True,
        text=True,
        check=False,
    )
    return described.stdout.strip() if described.returncode == 0 else "none"
