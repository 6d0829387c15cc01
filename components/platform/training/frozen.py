"""Checkpoints of objectives that contain a frozen pretrained network."""

from collections.abc import Mapping
from typing import Any

from torch import nn


class PartlyFrozen(nn.Module):
    """A module whose state leaves out frozen parameters: they are loaded, not trained.

    A checkpoint every few seconds then costs the adapters, not the base.
    """

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]
        """Return the state without frozen parameters."""
        prefix = kwargs.get("prefix", "")
        frozen = {prefix + name for name, p in self.named_parameters() if not p.requires_grad}
        state = super().state_dict(*args, **kwargs)
        for name in frozen & state.keys():
            del state[name]
        return dict(state)

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """Load what `state_dict` returned; frozen parameters stay as they are.

        Raises:
            RuntimeError: a trained parameter is absent, or an entry unexpected, and `strict`.

        """
        frozen = {name: p for name, p in self.named_parameters() if not p.requires_grad}
        return super().load_state_dict({**frozen, **state_dict}, strict, assign)
