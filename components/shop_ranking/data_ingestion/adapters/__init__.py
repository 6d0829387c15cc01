"""Adapters by dataset name: the module simulated_shop reads simulated-shop."""

from importlib import import_module
from typing import cast

from components.platform.errors import ParamsError
from components.shop_ranking import discovery
from components.shop_ranking.data_ingestion.adapter import Adapter

ADAPTERS: dict[str, Adapter] = {
    name: cast(Adapter, import_module(f"{__name__}.{module}"))
    for name, module in discovery.ADAPTERS.items()
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
