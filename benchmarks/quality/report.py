"""What a row hands back: tables with everything a reader needs to judge a number."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from components.platform.metrics.intervals import bootstrap_means

SAMPLES = 500  # bootstrap samples of a table; 95% percentile intervals
Floats = npt.NDArray[np.float64]


@dataclass
class Table:
    """One table; cells are text, so that every row formats its own kind of number."""

    title: str
    columns: list[str]
    rows: list[list[str]] = field(default_factory=list)

    def add(self, *cells: str) -> None:
        """Append one line."""
        if len(cells) != len(self.columns):
            raise ValueError(f"{len(self.columns)} cells expected in {self.title!r}: {cells}")
        self.rows.append(list(cells))

    def markdown(self) -> str:
        """Return the table as Markdown."""
        head = ["| " + " | ".join(self.columns) + " |", "|" + "---|" * len(self.columns)]
        return "\n".join([f"**{self.title}**", "", *head]) + "\n" + "\n".join(
            "| " + " | ".join(cells) + " |" for cells in self.rows
        )  # fmt: skip


@dataclass
class Report:
    """One row of the benchmark: its tables, and plain sentences beside them."""

    title: str
    tables: list[Table] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    computed: bool = True  # False: all of it was there already, so its seconds say nothing

    def table(self, title: str, *columns: str) -> Table:
        """Add an empty table and return it."""
        made = Table(title, list(columns))
        self.tables.append(made)
        return made


def short(value: float, digits: int = 4) -> str:
    """Write a share without the zero before its point: .0531, 1.000, -.012."""
    text = f"{value:.{digits}f}"
    return text.replace("0.", ".", 1) if abs(value) < 1 else text


def with_interval(values_N: npt.ArrayLike, seed: int, digits: int = 4) -> str:
    """Write a mean over cases with its 95% bootstrap interval: .0531 [.0510, .0553]."""
    values = np.asarray(values_N, np.float64)
    if not len(values):
        return "no case"
    low, high, _ = bootstrap_means(values[:, None], SAMPLES, seed)
    ends = f"[{short(low[0], digits)}, {short(high[0], digits)}]"
    return f"{short(float(values.mean()), digits)} {ends}"


def seconds(value: float) -> str:
    """Write seconds with what digits they deserve."""
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"
