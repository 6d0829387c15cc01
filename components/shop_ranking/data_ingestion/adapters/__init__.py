"""Adapters by dataset name."""

from components.platform.errors import ParamsError
from components.shop_ranking.data_ingestion.adapter import Adapter
from components.shop_ranking.data_ingestion.adapters import (
    amazon_reviews,
    complete_journey,
    fashion_product_images,
    retailrocket,
    simulated_shop,
    tables,
)

ADAPTERS: dict[str, Adapter] = {
    "complete-journey": complete_journey,
    "fashion-product-images": fashion_product_images,
    "amazon-reviews": amazon_reviews,
    "retailrocket": retailrocket,
    "tables": tables,
    "simulated-shop": simulated_shop,
}


def adapter_for(dataset: str) -> Adapter:
    """Return the adapter of a dataset.

    Raises:
        ParamsError: no adapter has this name.

    """
    if dataset not in ADAPTERS:
        raise ParamsError(
            f"data.dataset to be one of {', '.join(ADAPTERS)}", repr(dataset), "name one of them"
        )
    return ADAPTERS[dataset]
