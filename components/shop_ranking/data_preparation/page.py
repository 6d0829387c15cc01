"""The data summary as one self-contained page: reports/data_summary/index.html."""

import base64
from html import escape
from pathlib import Path
from typing import Any

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#22303c}
body{max-width:960px;margin:2rem auto;padding:0 1rem}
h1{margin-bottom:.2rem}h2{margin-top:2.2rem;font-size:1.15rem}
img{max-width:100%;height:auto}
table{border-collapse:collapse;margin:.5rem 0}
th,td{padding:.25rem .8rem;text-align:right;border-bottom:1px solid #e2e8f0}
th:first-child,td:first-child{text-align:left}
.note{background:#fffaf0;border-left:4px solid #c05621;padding:.5rem 1rem;margin:.6rem 0}
.rules{color:#52606d}
"""
IMAGES = {
    "rendered": "Pictures are rendered from the products' attributes. They are not photographs.",
    "none": "This dataset has no pictures: the image tower has nothing to learn from.",
}
Cells = list[list[str]]


def write_page(summary: dict[str, Any], plots: dict[str, Path], path: Path) -> None:
    """Write the page with its plots inside; it needs no other file."""
    body = [f"<h1>Data summary: {escape(str(summary['dataset']))}</h1>", *_notes(summary)]
    body.append(_rules(summary["rules"]))
    body += ["<h2>At a glance</h2>", _table(["", ""], _glance(summary))]
    body += ["<h2>Cuts</h2>", _table(*_cuts(summary))]
    for title, file in plots.items():
        body += [f"<h2>{escape(title)}</h2>", _picture(title, file)]
    body += ["<h2>Rows that ingestion kept out</h2>", _kept_out(summary["ingestion"])]
    title = f"<title>Data summary: {escape(str(summary['dataset']))}</title>"
    head = f'<meta charset="utf-8">{title}<style>{STYLE}</style>'
    html = f'<!doctype html><html lang="en"><head>{head}</head><body>'
    path.write_text(html + "\n".join(body) + "</body></html>\n")


def _notes(summary: dict[str, Any]) -> list[str]:
    notes = []
    if summary["simulated"]:
        notes.append("Simulated data: no shopper, product or sale on this page is real.")
    if summary["images"] in IMAGES:
        notes.append(IMAGES[summary["images"]])
    return [f'<p class="note">{escape(note)}</p>' for note in notes]


def _rules(rules: dict[str, Any]) -> str:
    return (
        f'<p class="rules">A wanted item is one with an event of type '
        f"{escape(', '.join(rules['target_events']))}. An item joins the catalogue at its session "
        f"number {rules['min_item_sessions']}. Targets are what happens in the "
        f"{rules['horizon_days']} days from a cut; features know only what came before it.</p>"
    )


def _glance(summary: dict[str, Any]) -> Cells:
    events, baskets, items = summary["events"], summary["baskets"], summary["items"]
    return [
        ["Days", f"{events['first']} to {events['last']}"],
        ["Events", f"{events['count']:,}"],
        ["Shoppers", f"{events['shoppers']:,}"],
        ["Items with events", f"{events['items']:,}"],
        ["Items in the catalogue at the last cut", f"{items['catalogue']:,}"],
        ["Sessions with a wanted item", f"{baskets['sessions']:,}"],
        ["Catalogue items without text", f"{items['picture_only'] + items['neither']:,}"],
        ["Catalogue items without a picture", f"{items['text_only'] + items['neither']:,}"],
    ]


def _cuts(summary: dict[str, Any]) -> tuple[list[str], Cells]:
    header = ["cut", "targets in", "lines", "items", "shoppers", "targets", "repeats", "evaluated"]
    rows = [
        [
            cut["name"],
            f"{cut['day']} to {cut['end']}",
            f"{cut['lines']:,}",
            f"{cut['eligible_items']:,}",
            f"{cut['shoppers']:,}",
            f"{cut['targets']:,}",
            f"{cut['repeat_share_of_targets']:.0%}",
            f"{cut['evaluated_shoppers']:,}",
        ]
        for cut in summary["cuts"]
    ]
    return header, rows


def _kept_out(ingestion: dict[str, Any]) -> str:
    rows = [
        [f"{table}: {reason}", f"{count:,}", kind]
        for kind in ("quarantined", "excluded")
        for table, reasons in sorted(ingestion[kind].items())
        for reason, count in sorted(reasons.items())
    ]
    rows += [
        [f"{table}: the same row again", f"{count:,}", "dropped"]
        for table, count in sorted(ingestion["repeated"].items())
    ]
    return _table(["reason", "rows", ""], rows) if rows else "<p>None.</p>"


def _table(header: list[str], rows: Cells) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in header) if any(header) else ""
    lines = ["<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows]
    return f"<table><tr>{head}</tr>{''.join(lines)}</table>"


def _picture(title: str, file: Path) -> str:
    data = base64.b64encode(file.read_bytes()).decode()
    return f'<img alt="{escape(title)}" src="data:image/png;base64,{data}">'
