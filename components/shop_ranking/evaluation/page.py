"""The leaderboard as a page that stands alone, and as a picture."""

from html import escape
from pathlib import Path

import matplotlib as mpl
import pandas as pd

from components.shop_ranking.evaluation.leaderboard import with_interval
from components.shop_ranking.params import DataParams

mpl.use("Agg")
from matplotlib import pyplot as plt

VIEWS = {
    "all": "All: what shoppers bought in the four weeks after the cut",
    "repeat": "Repeat: only items the shopper had bought before",
    "novel": "Novel: only items never bought before, earlier purchases removed from the ranking",
}
STYLE = """body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:75rem;padding:0 1rem;
color:#1c2430;background:#fff}h1{font-size:1.6rem}h2{font-size:1.15rem;margin-top:2.2rem}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:.3rem .6rem;text-align:right;border-bottom:1px solid #e3e7ec;white-space:nowrap}
th{cursor:pointer;background:#f5f7f9;position:sticky;top:0}th:first-child,td:first-child{text-align:left}
tr.champion{background:#e8f5ec;font-weight:600}.note{background:#fff6dd;padding:.6rem 1rem;
border-left:4px solid #d9a400}.scroll{overflow-x:auto}small{color:#5a6675}"""
SORT = """document.querySelectorAll('th').forEach(h=>h.onclick=()=>{const t=h.closest('table'),
i=h.cellIndex,d=h.dataset.d=-(h.dataset.d||1);[...t.tBodies[0].rows].sort((a,b)=>{const x=
a.cells[i].textContent,y=b.cells[i].textContent,n=parseFloat(x)-parseFloat(y);
return d*(isNaN(n)?x.localeCompare(y):n)}).forEach(r=>t.tBodies[0].append(r))})"""


def leaderboard_page(table: pd.DataFrame, paired: pd.DataFrame, data: DataParams) -> str:
    """Return the HTML of the leaderboard: views, slices and paired differences."""
    title = f"Leaderboard: {data.dataset}"
    notes = "".join(f'<p class="note">{escape(note)}</p>' for note in data.labels)
    views = "".join(
        f"<h2>{escape(text)}</h2>{_view(table[table['view'] == view])}"
        for view, text in VIEWS.items()
        if (table["view"] == view).any()
    )
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(title)}</title>"
        f"<meta name=viewport content='width=device-width'><style>{STYLE}</style>"
        f"<h1>{escape(title)}</h1>{notes}<p>Full ranking of the eligible catalogue; 95% bootstrap "
        "intervals over shoppers. The marked row is the fusion chosen on the validation cut. "
        f"Click a heading to sort.</p>{views}<h2>Slices, {escape(_ndcg(table))}</h2>"
        f"{_slices(table)}<h2>Paired differences, {escape(_ndcg(table))}</h2>{_pairs(paired)}"
        f"<script>{SORT}</script></html>"
    )


def _ndcg(table: pd.DataFrame) -> str:
    return str(next(name for name in table["metric"] if name.startswith("ndcg")))


def _view(table: pd.DataFrame) -> str:
    whole = table[table["slice"] == "all"]
    cells = whole.set_index(["model", "metric"])
    metrics = sorted(whole["metric"].unique(), key=lambda name: ("@" not in name, name))
    metrics.sort(key=lambda name: not name.startswith("ndcg"))
    rows = []
    for model in whole["model"].drop_duplicates():
        values = [
            with_interval(row) if pd.notna(row["ci_low"]) else f"{row['value']:.3f}"
            for row in (cells.loc[(model, metric)] for metric in metrics)
        ]
        first = cells.loc[(model, metrics[0])]
        rows.append((model, [*values, f"{first['seconds']:.1f}"], bool(first["is_champion"])))
    return _html(["model", *metrics, "seconds"], rows)


def _slices(table: pd.DataFrame) -> str:
    ndcg = table[table["metric"] == _ndcg(table)]
    wide = ndcg.pivot(index="model", columns=["view", "slice"], values="value")
    parts = ndcg[["view", "slice"]].drop_duplicates().itertuples(index=False, name=None)
    wide = wide.loc[ndcg["model"].drop_duplicates(), list(parts)]
    marked = set(ndcg.loc[ndcg["is_champion"], "model"])
    rows = [(m, [f"{v:.3f}" for v in values], m in marked) for m, values in wide.iterrows()]
    return _html(["model", *(f"{view}: {part}" for view, part in wide.columns)], rows)


def _pairs(paired: pd.DataFrame) -> str:
    ndcg = paired[paired["metric"].str.startswith("ndcg")]
    rows = []
    for row in ndcg.to_dict("records"):
        span = f"{row['difference']:+.4f} [{row['ci_low']:+.4f}, {row['ci_high']:+.4f}]"
        rows.append((row["model"], [row["other"], row["view"], span, f"{row['p']:.3f}"], False))
    return _html(["model", "minus", "view", "difference", "p"], rows)


def _html(heads: list[str], rows: list[tuple[str, list[str], bool]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    body = "".join(
        f"<tr{' class=champion' if marked else ''}>"
        + "".join(f"<td>{escape(cell)}</td>" for cell in (name, *cells))
        + "</tr>"
        for name, cells, marked in rows
    )
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f"<div class=scroll>{table}</div>"


def draw_leaderboard(table: pd.DataFrame, path: Path) -> None:
    """Draw NDCG with its intervals by model, one panel a view."""
    ndcg = table[(table["metric"] == _ndcg(table)) & (table["slice"] == "all")]
    views = [view for view in VIEWS if (ndcg["view"] == view).any()]
    order = ndcg[ndcg["view"] == views[0]].sort_values("value")["model"].tolist()
    size = (4.2 * len(views) + 1.5, 0.32 * len(order) + 1.2)
    figure, axes = plt.subplots(1, len(views), figsize=size, sharey=True, squeeze=False)
    for axis, view in zip(axes[0], views, strict=True):
        rows = ndcg[ndcg["view"] == view].set_index("model").reindex(order)
        spread = [rows["value"] - rows["ci_low"], rows["ci_high"] - rows["value"]]
        colours = ["#2e8b57" if chosen is True else "#8aa0b4" for chosen in rows["is_champion"]]
        axis.barh(order, rows["value"], xerr=spread, color=colours, ecolor="#33414e", capsize=2)
        axis.set_title(view)
        axis.set_xlabel(_ndcg(table))
        axis.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)
