"""The training loop: warm-up and cosine, moving average of the weights, resumable after any epoch.

The network that counts is the moving average, not the last step: it is steadier than any point of
the path (Polyak and Juditsky 1992; Izmailov 2018, arXiv:1803.05407).
"""

import copy
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from rich.console import Console
from torch import Tensor, nn

from service.inference.atomic_write import atomic_write
from training.fit.recipe import Schedule
from training.fit.runs import Row, RunFolder

Batch = TypeVar("Batch")
Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True, eq=False)
class Randomness:
    """All sources of chance in a fit; equal states give equal fits.

    Attributes:
        numbers: For drawing films.
        tensors: For augmentation.
    """

    numbers: np.random.Generator
    tensors: torch.Generator

    @classmethod
    def seeded(cls, seed: int) -> "Randomness":
        """Begin from a seed."""
        return cls(np.random.default_rng(seed), torch.Generator().manual_seed(seed))

    def state(self) -> dict[str, Any]:
        """For a checkpoint; PyTorch's own generator, which dropout draws from, is part of it."""
        return {
            "numbers": self.numbers.bit_generator.state,
            "tensors": self.tensors.get_state(),
            "global": torch.get_rng_state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.numbers.bit_generator.state = state["numbers"]
        self.tensors.set_state(state["tensors"])
        torch.set_rng_state(state["global"])


class Task(Protocol[Batch]):
    """What is fitted: what a batch is, what it costs, and how a network does."""

    def batches(self, randomness: Randomness) -> Iterator[Batch]:
        """Batches of one epoch, at least as many as the schedule has steps."""

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """The loss of a batch, as a tensor with one number."""

    def figures(self, network: nn.Module) -> Row:
        """How a network does, for the log."""


@dataclass(eq=False)
class Fit:
    """The state of a fit.

    Attributes:
        network: Takes the steps.
        average: The moving average of its weights and running statistics.
        optimiser: Its parameter groups hold their ``factor`` on the rate.
        randomness: Of draws and augmentation.
        step: Steps taken.
        rows: The log so far.
    """

    network: nn.Module
    average: nn.Module
    optimiser: torch.optim.Optimizer
    randomness: Randomness
    step: int = 0
    rows: list[Row] = field(default_factory=list)

    def save(self, folder: RunFolder) -> None:
        """Write checkpoint, averaged network and log."""
        state = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "randomness": self.randomness.state(),
            "step": self.step,
            "rows": self.rows,
        }
        # The checkpoint first: what is killed between the two is written again from it.
        for content, target in ((state, folder.checkpoint), (state["average"], folder.network)):
            with atomic_write(target) as path:
                torch.save(content, path)
        folder.write_log(self.rows)

    def resume(self, folder: RunFolder) -> None:
        """Go on from the last whole epoch, if there is one."""
        if not folder.checkpoint.exists():
            return
        state = torch.load(folder.checkpoint, weights_only=False)  # our own file
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.randomness.restore(state["randomness"])
        self.step, self.rows = state["step"], state["rows"]


def run(
    task: Task[Any],
    network: Network,
    groups: Sequence[dict[str, Any]],
    schedule: Schedule,
    seed: int,
    folder: RunFolder,
) -> Network:
    """Fit a network, or resume its fit, or load it where the fit is complete.

    Args:
        task: What is fitted.
        network: With its first weights.
        groups: Parameter groups for AdamW; ``factor`` multiplies the rate of a group.
        schedule: How long and how fast.
        seed: Of the draws.
        folder: The claimed folder of the run.

    Returns:
        The averaged network, in evaluation mode.
    """
    network.to(memory_format=torch.channels_last)
    average = copy.deepcopy(network)
    if folder.is_complete(schedule.epochs):
        average.load_state_dict(torch.load(folder.network, weights_only=True))
        average.eval()
        return average
    optimiser = torch.optim.AdamW(
        list(groups), lr=schedule.rate, weight_decay=schedule.weight_decay
    )
    fit = Fit(network, average, optimiser, Randomness.seeded(seed))
    fit.resume(folder)
    for epoch in range(len(fit.rows), schedule.epochs):
        start = time.perf_counter()
        loss = _epoch(fit, task, schedule)
        average.eval()
        seconds = time.perf_counter() - start
        row = {"epoch": epoch, "seconds": round(seconds), "loss": loss, **task.figures(average)}
        fit.rows.append(row)
        fit.save(folder)
        shown = ", ".join(f"{name} {value:.4g}" for name, value in row.items())
        Console().print(f"{folder.path.parent.parent.name}: {shown}", highlight=False)
    folder.checkpoint.unlink(missing_ok=True)
    average.eval()
    return average


def _epoch(fit: Fit, task: Task[Any], schedule: Schedule) -> float:
    """Take the steps of an epoch; returns its mean loss."""
    fit.network.train()
    total = 0.0
    batches = task.batches(fit.randomness)
    for _ in range(schedule.steps):
        rate = _rate(fit.step, schedule)
        for group in fit.optimiser.param_groups:
            group["lr"] = rate * group.get("factor", 1.0) + schedule.last_rate
        loss = task.loss(fit.network, next(batches))
        loss.backward()
        if schedule.clip is not None:
            nn.utils.clip_grad_norm_(fit.network.parameters(), schedule.clip)
        fit.optimiser.step()
        fit.optimiser.zero_grad()
        fit.step += 1
        follow(fit.average, fit.network, min(schedule.average, _ramp(fit.step, schedule.ramp)))
        total += loss.item()
    return total / schedule.steps


def _rate(step: int, schedule: Schedule) -> float:
    warm = min(1.0, (step + 1) / schedule.warmup) if schedule.warmup else 1.0
    done = step / (schedule.epochs * schedule.steps)
    return schedule.rate * warm * (0.5 + 0.5 * math.cos(math.pi * done))


def _ramp(step: int, ramp: int) -> float:
    return (step + 1) / (step + ramp)


@torch.no_grad()
def follow(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Move an average towards a network: ``decay`` of it stays."""
    pairs = zip(average.state_dict().values(), network.state_dict().values(), strict=True)
    for mean, value in pairs:
        if mean.dtype.is_floating_point:
            mean.lerp_(value, 1 - decay)
        else:
            mean.copy_(value)
