"""What was measured of a model on the test rows, as the gate reads it and the registry keeps it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import pyarrow as pa

from components.platform.files import read_table, write_json, write_table

UNITS, POINTS = "units.parquet", "points.json"


@dataclass(frozen=True)
class Measured:
    """Measures of one model, by name; a name is parts joined by /, such as ndcg/all/all.

    `by_unit` holds measures with a value a unit (a user, a conversation: the rows that an
    interval is resampled over), higher is better. `points` holds those with one value.
    """

    model: str
    by_unit: Mapping[str, "pd.Series[float]"]  # index: name of the unit
    points: Mapping[str, float]

    @property
    def measures(self) -> set[str]:
        """Names of all measures."""
        return set(self.by_unit) | set(self.points)

    def with_point(self, measure: str, value: float) -> "Measured":
        """Return the same with one more measure of one value."""
        return replace(self, points={**self.points, measure: value})


@dataclass(frozen=True)
class Comparisons:
    """What was measured in a run, on the same test rows.

    `comparable` names tags of a version that say on which rows it was measured: where they equal
    the challenger's, the measurements kept with the champion are used; else `champion`, which
    was measured in this run, if that is the version that stands there.
    """

    challenger: Measured
    baselines: tuple[Measured, ...] = ()
    champion: Measured | None = None  # called by name and version, e.g. greeter/3
    comparable: tuple[str, ...] = ()
    never_comparable: tuple[str, ...] = ()  # tags that no new measurement makes up for
    requests: Sequence[object] = ()  # to time one by one; none: nothing is timed


def write_record(measured: Measured, folder: Path) -> None:
    """Keep a model's measurements, so that a later challenger is compared with them."""
    frames = [
        pd.DataFrame(
            {"measure": name, "unit": values.index.astype(str), "value": values.to_numpy()}
        )
        for name, values in measured.by_unit.items()
    ]
    empty = pd.DataFrame({"measure": [], "unit": [], "value": []}).astype({"value": float})
    rows = pd.concat(frames, ignore_index=True) if frames else empty
    write_table(pa.Table.from_pandas(rows, preserve_index=False), folder / UNITS)
    write_json(dict(measured.points), folder / POINTS)


def read_record(folder: Path, model: str) -> Measured:
    """Read what write_record kept.

    Raises:
        DataError: the record is absent or was kept in another layout.

    """
    rows = read_table(folder / UNITS).to_pandas()
    by_unit = {str(name): part.set_index("unit")["value"] for name, part in rows.groupby("measure")}
    return Measured(model, by_unit, json.loads((folder / POINTS).read_text()))
