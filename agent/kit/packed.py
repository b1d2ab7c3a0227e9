"""An ensemble of tabular networks trained side by side in batched matrix products; imports torch, so import it lazily.

The network is in the spirit of RealMLP-TD (Holzmüller et al. 2024, arXiv 2407.04491): periodic embeddings with the raw
number beside them, a learned scale per input, NTK parametrisation, initialisation from data.
"""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .training import flat_cosine


class PackedMLP(nn.Module):
    """Inputs: numbers (members, batch, numeric), codes (members, batch, columns); output (members, batch, outputs)."""

    independent = True

    def __init__(
        self,
        members: int,
        numeric: int,
        levels: Sequence[int],
        outputs: int,
        *,
        width: int,
        depth: int,
        dropout: float,
        activation: str,
        periodic: bool,
        sigma: float = 0.1,
        dimension: int = 8,
    ) -> None:
        super().__init__()
        self.members = members
        self.embeddings = nn.ParameterList(torch.randn(members, count, dimension) for count in levels)
        self.periodic = _Periodic(members, numeric, sigma) if periodic else None
        size = numeric * (4 if periodic else 1) + dimension * len(levels)
        self.scale = nn.Parameter(torch.ones(members, 1, size))
        sizes = [size, *[width] * depth]
        self.hidden = nn.Sequential(*(_Linear(members, a, b) for a, b in pairwise(sizes)))
        self.last = _Linear(members, sizes[-1], outputs)
        nn.init.zeros_(self.last.weight)
        self.activation: Callable[[Tensor], Tensor] = F.selu if activation == "selu" else F.mish
        self.dropout, self.rate = dropout, dropout

    def forward(self, numbers: Tensor, codes: Tensor) -> Tensor:
        x = self._inputs(numbers, codes)
        for layer in self.hidden:
            x = self._drop(self.activation(layer(x)))
        return self.last(x)

    def _drop(self, x: Tensor) -> Tensor:
        """Dropout with one mask for all members: they see different rows, and random numbers are dear on a CPU."""
        if not self.training or self.rate <= 0:
            return x
        kept = torch.rand(x.shape[1:], device=x.device) >= self.rate
        return x * (kept / (1 - self.rate))

    def _inputs(self, numbers: Tensor, codes: Tensor) -> Tensor:
        member = torch.arange(len(numbers), device=numbers.device)[:, None]
        parts = [numbers if self.periodic is None else self.periodic(numbers)]
        parts += [table[member, codes[..., i]] for i, table in enumerate(self.embeddings)]
        return torch.cat(parts, dim=-1) * self.scale

    @torch.no_grad()
    def start_from(self, numbers: Tensor, codes: Tensor) -> None:
        """Sets the hidden layers so that on these rows every unit has unit spread and bends inside the data."""
        x = self._inputs(numbers, codes)
        for layer in self.hidden:
            layer.start_from(x)  # type: ignore[operator]
            x = self.activation(layer(x))

    def at(self, progress: float) -> None:
        self.rate = self.dropout * flat_cosine(progress)

    def groups(self, lr: float, weight_decay: float) -> list[dict[str, Any]]:
        """RealMLP-TD's learning-rate factors: scale 6, biases and periodic layers 0.1; only matrices decay."""
        layers = [*self.hidden, self.last]
        slow = [layer.bias for layer in layers] + list(self.periodic.parameters() if self.periodic else [])
        matrices = [layer.weight for layer in layers] + list(self.embeddings)
        return [
            {"params": matrices, "lr": lr, "weight_decay": weight_decay},
            {"params": slow, "lr": 0.1 * lr, "weight_decay": 0.0},
            {"params": [self.scale], "lr": 6 * lr, "weight_decay": 0.0},
        ]


class _Linear(nn.Module):
    def __init__(self, members: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(members, inputs, outputs))
        self.bias = nn.Parameter(torch.zeros(members, 1, outputs))
        self.factor = 1 / math.sqrt(inputs)

    def forward(self, x: Tensor) -> Tensor:
        return torch.baddbmm(self.bias, x, self.weight, alpha=self.factor)

    def start_from(self, x: Tensor) -> None:
        before = torch.bmm(x, self.weight) * self.factor
        spread = before.std(dim=1, keepdim=True, unbiased=False).clamp(min=1e-3)
        self.weight.div_(spread)
        mix = torch.rand(len(x), before.shape[2], 5, device=x.device).log().neg()
        row = torch.randint(before.shape[1], mix.shape, device=x.device)
        chosen = torch.gather((before / spread).transpose(1, 2), 2, row)
        self.bias.copy_(-(chosen * mix / mix.sum(-1, keepdim=True)).sum(-1)[:, None])


class _Periodic(nn.Module):
    """PBLD: each number beside three linear mixes of sixteen cosines of it."""

    def __init__(self, members: int, numeric: int, sigma: float, waves: int = 16, out: int = 3) -> None:
        super().__init__()
        self.frequency = nn.Parameter(2 * math.pi * sigma * torch.randn(members, 1, numeric, waves))
        self.phase = nn.Parameter(math.pi * (2 * torch.rand(members, 1, numeric, waves) - 1))
        self.mix = nn.Parameter(torch.randn(members, numeric, waves, out) / math.sqrt(waves))
        self.bias = nn.Parameter(torch.zeros(members, 1, numeric, out))

    def forward(self, x: Tensor) -> Tensor:
        waves = torch.cos(x[..., None] * self.frequency + self.phase)
        mixed = torch.matmul(waves.transpose(1, 2), self.mix).transpose(1, 2) + self.bias
        return torch.cat([x[..., None], mixed], dim=-1).flatten(2)
