"""What the text encoder is trained for: telling pairs from non-pairs, and masked words."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from components.platform.encoders.text import TextTower, mean_pooling
from components.platform.training.batches import Batches
from components.platform.training.frozen import PartlyFrozen
from components.platform.training.losses import in_batch_contrast
from components.shop_ranking.text_pretraining.adapters import RankBudget
from components.shop_ranking.text_pretraining.pairs import Pairs
from components.shop_ranking.towers.text import TextParams

NOT_MASKED = -100  # torch's label for "no loss here"


class TextObjective(PartlyFrozen):
    """In-batch contrast of pairs plus, at `mlm_weight`, masked-language modelling."""

    def __init__(self, tower: TextTower, params: TextParams) -> None:
        super().__init__()
        self.tower = tower
        self.scale = 1.0 / params.temperature
        self.mlm_weight, self.masked_share = params.mlm_weight, params.masked_share
        self.budget = RankBudget(tower.base, params.adalora_penalty)
        if self.mlm_weight > 0:
            width = tower.projection.linear.in_features
            self.words = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width))

    def train(self, mode: bool = True) -> "TextObjective":
        """Stay without dropout: with few steps it costs more than it brings."""
        return super().train(False)

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return loss, its parts and the number of samples."""
        texts = {name: batch[name] for name in ("input_ids", "attention_mask")}
        hidden_NLW = self.tower.hidden(texts)
        vectors_NW = mean_pooling(hidden_NLW, texts["attention_mask"])
        contrast = in_batch_contrast(
            vectors_NW[batch["left"]],
            vectors_NW[batch["right"]],
            self.scale,
            group_B=batch["right"],
            log_q_B=(batch["log_q_left"], batch["log_q_right"]),
        )
        parts = {"contrast": contrast, "samples": torch.tensor(float(len(batch["left"])))}
        loss = contrast + self.budget.penalty()
        if self.mlm_weight > 0:
            parts["masked_words"] = self._masked_words(texts)
            loss = loss + self.mlm_weight * parts["masked_words"]
        return {"loss": loss, **parts}

    def _masked_words(self, texts: dict[str, Tensor]) -> Tensor:
        """Cross-entropy of hidden words (Devlin et al. 2018); the decoder is the word embedding."""
        tokenizer = self.tower.tokenizer
        ids_NL = texts["input_ids"]
        special = torch.tensor(tokenizer.all_special_ids, device=ids_NL.device)
        eligible = ~torch.isin(ids_NL, special)
        drawn = torch.rand(ids_NL.shape, device=ids_NL.device) < self.masked_share
        masked = eligible & drawn
        hidden_ids = torch.where(masked, tokenizer.mask_token_id, ids_NL)
        hidden_NLW = self.tower.hidden({**texts, "input_ids": hidden_ids})
        embedding_VW = self.tower.base.get_input_embeddings().weight
        logits_MV = self.words(hidden_NLW[masked]) @ embedding_VW.T
        return functional.cross_entropy(logits_MV, ids_NL[masked], reduction="sum") / (
            masked.sum().clamp(min=1)
        )

    def get_extra_state(self) -> dict[str, Any]:
        """State of AdaLoRA outside of the parameters."""
        return self.budget.state()

    def set_extra_state(self, state: Any) -> None:
        """Take up the state of AdaLoRA."""
        self.budget.restore(state)


def pair_batches(pairs: Pairs, tower: TextTower, size: int, count: int, seed: int) -> Batches:
    """Return batches of pairs for TextObjective; a text that occurs twice is read once."""
    tokens = tower.tokens(pairs.texts)

    def make(index: int) -> dict[str, Tensor]:
        batch = pairs.batch(size, seed, index)
        both = torch.stack([batch["left"], batch["right"]])
        texts, rows = torch.unique(both, return_inverse=True)
        return {
            **batch,
            **tower.batch([tokens[text] for text in texts.tolist()]),
            "left": rows[0],
            "right": rows[1],
        }

    return Batches(make, count)
