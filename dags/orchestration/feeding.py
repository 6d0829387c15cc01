"""Feedback ingestion with what only a platform knows: where the products of the shop lie."""

from datetime import date
from pathlib import Path

from components.shop_ranking.application import TABLES
from components.shop_ranking.params import load_params
from orchestration.registry import policy
from orchestration.runs import folder

ROOT = Path(__file__).resolve().parents[2]


def ingest(day: date | None) -> list[str]:
    """Bring partitions up to date and return their days.

    Items are checked against the products that the champion's run ingested; they are published
    first, as long as its workspace is there.

    Raises:
        StorageError: S3 cannot be reached.

    """
    from components.platform import tracking
    from components.platform.feedback.ingestion import run
    from components.platform.feedback.partitions import publish_items
    from components.platform.files import read_table

    rules = policy()
    champion = tracking.version_at(rules.leading, rules.aliases.champion)
    if champion is not None:
        products = folder(champion.tags["pipeline_run"]) / TABLES / "products.parquet"
        if products.exists():
            publish_items(read_table(products, ["item_id"]))
    written = run(load_params(ROOT / "params.yaml"), day)
    return [str(one) for one in written]


def choose() -> int:
    """Write what the challenger would have shown; return for how many logged answers."""
    from components.shop_ranking.serving.counterfactual import run

    return run(load_params(ROOT / "params.yaml"), policy())


def judge() -> list[str]:
    """Write the off-policy value of every challenger; return a line for each."""
    from components.platform.feedback.judging import judge as judged

    found = judged(load_params(ROOT / "params.yaml"))
    return [f"{version}: {value['conclusion']}" for version, value in found.items()]
