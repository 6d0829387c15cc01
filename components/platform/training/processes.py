"""Several processes that train one model: torch's DistributedDataParallel, one process a device.

Every process runs the same stage with the same seed and takes its share of each epoch's batches;
gradients are averaged (Li et al., "PyTorch distributed", VLDB 2020). What a stage writes and logs
comes from the first of them alone (components.platform.settings.writes).
"""

import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import torch
from torch import distributed, nn
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from components.platform.cores import usable_cores
from components.platform.settings import settings
from components.platform.training.batches import Batches

LAUNCHED = "RANK"  # set by the launcher in each process


def wanted() -> int:
    """Return how many processes a training is to have: the setting, else one a CUDA device."""
    if LAUNCHED in os.environ:
        return 1  # this is one of them
    return settings().training_processes or max(torch.cuda.device_count(), 1)


def launch(arguments: list[str], count: int) -> int:
    """Run `python -m components ...` in `count` processes; return 0, or the code of what failed.

    The lines of the process of rank 0 are shown. When one fails the others are ended.
    """
    os.environ.setdefault("OMP_NUM_THREADS", str(max(usable_cores() // count, 1)))
    config = LaunchConfig(
        min_nodes=1, max_nodes=1, nproc_per_node=count, run_id=uuid4().hex, max_restarts=0,
        rdzv_backend="c10d", rdzv_endpoint="127.0.0.1:0", local_addr="127.0.0.1",
        logs_specs=DefaultLogsSpecs(local_ranks_filter={0}), monitor_interval=0.1,
    )  # fmt: skip
    # A stage says in one line what is wrong; the launcher would add pages to it.
    logging.getLogger("torch.distributed").setLevel(logging.CRITICAL)
    try:
        elastic_launch(config, sys.executable)("-m", "components", *arguments)
    except ChildFailedError as error:
        _, failure = error.get_first_failure()
        return failure.exitcode if failure.exitcode > 0 else 1  # below zero: ended by a signal
    except SignalException as error:
        return 128 + int(error.sigval)
    return 0


@contextmanager
def joined() -> Iterator[None]:
    """Belong to the processes that were launched together; alone, do nothing."""
    if LAUNCHED not in os.environ:
        yield
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield
    finally:
        distributed.destroy_process_group()


def size() -> int:
    """Return how many processes train together."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def own_share(batches: Sequence[Any]) -> Sequence[Any]:
    """Return this process's batches of an epoch; all have as many, the first ones may repeat."""
    if size() == 1:
        return batches
    rank, count = distributed.get_rank(), size()
    return Batches(
        lambda index: batches[(index * count + rank) % len(batches)], -(-len(batches) // count)
    )


def together(objective: nn.Module) -> nn.Module:
    """Wrap an objective so that its gradients are the mean over all processes."""
    if size() == 1:
        return objective
    # A step may leave a part untouched, such as a modality that no item of the batch has.
    return nn.parallel.DistributedDataParallel(objective, find_unused_parameters=True)


def agreed(value: bool, device: torch.device) -> bool:
    """Return the first process's word: if each believed its own, one could wait for ever."""
    if size() == 1:
        return value
    word = torch.tensor(float(value), device=device)
    distributed.broadcast(word, 0)
    return bool(word)
