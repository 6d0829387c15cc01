"""What of the base is trained: nothing, low-rank adapters beside it, or all of it."""

import re
from collections.abc import Mapping
from typing import Any

import torch
from peft import AdaLoraConfig, LoraConfig, PeftModel, TaskType, get_peft_model
from torch import Tensor, nn
from transformers import PreTrainedModel

from components.platform.encoders.text import TextTower
from components.shop_ranking.towers.text import TextParams

AVERAGES = ("ipt", "exp_avg_ipt", "exp_avg_unc")  # peft's names of AdaLoRA's importances


def wrap_base(tower: TextTower, params: TextParams, steps: int) -> None:
    """Freeze the tower's base or put adapters into its last layers, as params.adapter says.

    LoRA: Hu et al. 2021. AdaLoRA (Zhang et al. 2023) starts wider than the wanted rank and, over
    `steps`, takes rank away where it matters least.
    """
    base: Any = tower.base
    if isinstance(base, PeftModel):  # a tower to start from brings its adapters
        return
    base.requires_grad_(params.adapter == "none")
    if params.adapter == "lora":
        config = LoraConfig(r=params.rank, **_shared(base, params))
    elif params.adapter == "adalora":
        config = AdaLoraConfig(
            init_r=int(params.rank * params.adalora_first_rank),
            target_r=params.rank,
            total_step=max(steps, 3),
            tinit=steps // params.adalora_warmup_part,
            tfinal=max(steps // params.adalora_final_part, 1),
            deltaT=max(steps // params.adalora_rounds, 1),
            **_shared(base, params),
        )
    else:
        return
    tower.base = get_peft_model(base, config)


def _shared(base: PreTrainedModel, params: TextParams) -> dict[str, Any]:
    """Adapt every linear map of the last layers (all of them: Dettmers et al. 2023, QLoRA)."""
    first = base.config.num_hidden_layers - params.adapted_layers
    numbered = [
        (name, re.search(r"\.(\d+)\.", name))
        for name, module in base.named_modules()
        if isinstance(module, nn.Linear)
    ]
    return {
        "task_type": TaskType.FEATURE_EXTRACTION,
        "target_modules": [name for name, at in numbered if at and int(at[1]) >= first],
        "lora_alpha": params.adapter_scale * params.rank,
    }


class RankBudget:
    """AdaLoRA's part in a training step; does nothing for other adapters.

    peft adds the regulariser only to models that compute their own loss, so it is done here.
    """

    def __init__(self, base: nn.Module, penalty: float) -> None:
        """Take the base, and the weight of the regulariser."""
        self.weight = penalty
        self.model: Any = None
        if isinstance(base, PeftModel) and base.peft_config["default"].peft_type == "ADALORA":
            self.model = base.base_model

    def penalty(self) -> Tensor | float:
        """Distance of the singular vectors from being orthonormal."""
        if self.model is None:
            return 0.0
        norms = []
        for name, p in self.model.named_parameters():
            if "lora_A" in name or "lora_B" in name:
                gram = p @ p.T if "lora_A" in name else p.T @ p
                norms.append(torch.linalg.norm(gram - torch.eye(len(gram), device=p.device)))
        return self.weight * torch.stack(norms).mean()

    def allocate(self, step: int) -> None:
        """Take rank away after optimizer step `step`, while its gradients are still there."""
        if self.model is not None:
            self.model.update_and_allocate(step)

    def state(self) -> dict[str, Any]:
        """What peft keeps outside of its parameters."""
        if self.model is None:
            return {}
        kept = {name: dict(getattr(self.model.rankallocator, name)) for name in AVERAGES}
        return {**kept, "rank_pattern": self.model.peft_config["default"].rank_pattern}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up what `state` returned."""
        if self.model is not None:
            for name in AVERAGES:
                setattr(self.model.rankallocator, name, dict(state[name]))
            self.model.peft_config["default"].rank_pattern = state["rank_pattern"]
