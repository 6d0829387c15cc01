"""Evidently: one project an application and dataset, one report a week, one dashboard over them.

Ids of project, panels and reports follow from application, dataset, statistic and week, so that
writing again replaces: no second project, no second point.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

os.environ.setdefault("DO_NOT_TRACK", "true")  # read when evidently is imported

import numpy as np
import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.metrics import MeanValue, ValueDrift
from evidently.sdk.models import (
    DashboardModel,
    DashboardPanelPlot,
    DashboardTabModel,
    PanelMetric,
    ProjectModel,
)
from evidently.sdk.panels import bar_plot_panel, line_plot_panel
from evidently.tests import gte, lte
from evidently.ui.workspace import Workspace

from components.platform.drift.calibration import Judgement
from components.platform.drift.statistics import Group, Histogram, Quality, Statistic

GROUPS: tuple[Group, ...] = ("input", "embedding", "prediction", "quality", "data quality")
ALARMS = "alarms"


@dataclass(frozen=True)
class Board:
    """The project of one application and dataset in an Evidently workspace."""

    folder: Path
    application: str
    dataset: str

    @property
    def project(self) -> UUID:
        """Id of the project."""
        return uuid5(NAMESPACE_URL, f"shopfusion/drift/{self.application}/{self.dataset}")

    def report_of(self, week: date) -> UUID:
        """Id of a week's report."""
        return uuid5(self.project, week.isoformat())

    def write(
        self, statistics: Sequence[Statistic], judged: Sequence[Judgement], champion: str
    ) -> None:
        """Write the reports of the judged weeks and the dashboard; replace what is there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        workspace = Workspace(str(self.folder))
        if workspace.get_project(self.project) is None:
            about = (
                "A report a week; a statistic above its threshold is an alarm. See docs/drift.md"
            )
            model = ProjectModel(
                id=self.project,
                name=f"drift: {self.application}, {self.dataset}",
                description=about,
            )
            workspace.add_project(model)
        workspace.save_dashboard(self.project, _dashboard(self.project, statistics))
        by_name = {statistic.name: statistic for statistic in statistics}
        for week in sorted({judgement.week for judgement in judged}):
            mine = [judgement for judgement in judged if judgement.week == week]
            snapshot = _report(by_name, mine).run(
                *_frames(by_name, mine),
                timestamp=datetime.combine(week, time(), UTC).replace(tzinfo=None),
                metadata={"week": week.isoformat(), "champion": champion},
                tags=["alarm"] if any(judgement.alarm for judgement in mine) else [],
                name=f"week of {week}",
            )
            workspace.state.write_snapshot(
                self.project, self.report_of(week), snapshot.to_snapshot_model()
            )


def _dashboard(project: UUID, statistics: Sequence[Statistic]) -> DashboardModel:
    """One panel a statistic, value and threshold over the weeks; first how many raised an alarm."""
    panels = [
        bar_plot_panel(
            "Alarms a week",
            [PanelMetric(metric="MeanValue", metric_labels={"column": ALARMS}, legend="alarms")],
            "Statistics beyond their threshold",
        )
    ]
    for group in GROUPS:
        for statistic in (statistic for statistic in statistics if statistic.group == group):
            lines = [
                PanelMetric(metric="MeanValue", metric_labels={"column": column}, legend=legend)
                for column, legend in (
                    (statistic.name, statistic.name),
                    (_limit(statistic.name), "threshold"),
                )
            ]
            side = "an alarm below" if isinstance(statistic, Quality) else "an alarm above"
            title = f"{group}: {statistic.name}"
            panels.append(line_plot_panel(title, lines, f"{side} the threshold", size="half"))
    panels = [_with_id(project, panel) for panel in panels]
    tab = DashboardTabModel(
        id=uuid5(project, "weeks"), title="Weeks", panels=[panel.id for panel in panels]
    )
    return DashboardModel(tabs=[tab], panels=panels)


def _with_id(project: UUID, panel: DashboardPanelPlot) -> DashboardPanelPlot:
    panel.id = uuid5(project, panel.title)
    return panel


def _limit(name: str) -> str:
    return f"{name} threshold"


def _report(by_name: dict[str, Statistic], judged: Sequence[Judgement]) -> Report:
    """Every statistic with its test; those of columns with the two distributions as a picture."""
    metrics: list[Any] = [MeanValue(column=ALARMS, tests=[])]
    for judgement in judged:
        statistic = by_name[judgement.name]
        test = gte if isinstance(statistic, Quality) else lte
        tests = [] if judgement.threshold is None else [test(float(judgement.threshold))]
        metrics.append(MeanValue(column=judgement.name, tests=tests))
        if judgement.threshold is not None:
            metrics.append(MeanValue(column=_limit(judgement.name), tests=[]))
        if isinstance(statistic, Histogram) and judgement.reference:
            metrics.append(ValueDrift(column=_values(judgement.name), method="psi", tests=[]))
    return Report(metrics)


def _values(name: str) -> str:
    return f"{name} values"


def _frames(by_name: dict[str, Statistic], judged: Sequence[Judgement]) -> tuple[Dataset, Dataset]:
    """Return the week and its reference, a column a statistic; shorter columns are padded."""
    now: dict[str, Any] = {ALARMS: [float(sum(judgement.alarm for judgement in judged))]}
    before: dict[str, Any] = {ALARMS: [0.0]}
    categories = []
    for judgement in judged:
        now[judgement.name] = before[judgement.name] = [float(judgement.value)]
        if judgement.threshold is not None:
            now[_limit(judgement.name)] = before[_limit(judgement.name)] = [
                float(judgement.threshold)
            ]
        statistic = by_name[judgement.name]
        if isinstance(statistic, Histogram) and judgement.reference:
            labels, before_B, now_B = statistic.pooled(
                np.array(judgement.reference), judgement.number
            )
            column = _values(judgement.name)
            now[column], before[column] = _unfold(labels, now_B), _unfold(labels, before_B)
            categories.append(column)
    numbers = [name for name in now if name not in categories]
    definition = DataDefinition(numerical_columns=numbers, categorical_columns=categories)
    frames = (
        pd.DataFrame({name: pd.Series(column) for name, column in columns.items()})
        for columns in (now, before)
    )
    week, reference = (Dataset.from_pandas(frame, data_definition=definition) for frame in frames)
    return week, reference


def _unfold(labels: Sequence[str], counts_B: np.ndarray) -> np.ndarray:
    return np.repeat(np.array(labels, object), counts_B.astype(int))
