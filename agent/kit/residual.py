"""A small residual network for small images and its augmentation; imports torch, so import it lazily."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .training import Augment, Inputs


class ResidualNetwork(nn.Module):
    """Input: uint8 images (1, batch, channels, side, side); output (1, batch, outputs)."""

    independent = False
    centre: Tensor
    spread: Tensor

    def __init__(self, channels: int, side: int, outputs: int, *, width: int) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(1, channels, 1, 1))
        self.register_buffer("spread", torch.ones(1, channels, 1, 1))
        stride = 1 if side <= 32 else 2
        first = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
        self.stem = nn.Sequential(first, nn.BatchNorm2d(width), nn.SiLU())
        stages = 2 if side < 16 else 3
        widths = [width * 2**i for i in range(stages)]
        blocks = [_Block(widths[max(i - 1, 0)], w, 1 if i == 0 else 2) for i, w in enumerate(widths)]
        self.blocks = nn.Sequential(*blocks)
        self.last = nn.Linear(2 * widths[-1], outputs)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def start_from(self, images: Tensor) -> None:
        """Takes each channel's mean and spread from these images (n, channels, side, side)."""
        some = images[:2000].float()
        self.centre.copy_(some.mean((0, 2, 3), keepdim=True))
        self.spread.copy_(some.std((0, 2, 3), keepdim=True).clamp(min=1.0))

    def forward(self, images: Tensor) -> Tensor:
        x = ((images[0].float() - self.centre) / self.spread).contiguous(memory_format=torch.channels_last)
        x = self.blocks(self.stem(x))
        pooled = torch.cat([x.mean((2, 3)), x.amax((2, 3))], dim=1)
        return self.last(F.dropout(pooled, 0.2, self.training))[None]

    def at(self, progress: float) -> None:
        """Nothing changes with progress."""

    def groups(self, lr: float, weight_decay: float) -> list[dict[str, Any]]:
        """Matrices and kernels decay, biases and norms do not."""
        decays = [p for p in self.parameters() if p.ndim >= 2]
        others = [p for p in self.parameters() if p.ndim < 2]
        return [
            {"params": decays, "lr": lr, "weight_decay": weight_decay},
            {"params": others, "lr": lr, "weight_decay": 0.0},
        ]


class _Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.SiLU(),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs),
        )
        same = stride == 1 and inputs == outputs
        self.short = nn.Identity() if same else nn.Sequential(
            nn.AvgPool2d(stride, ceil_mode=True), nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs)
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.silu(self.body(x) + self.short(x))


def augmentation(shift: int, mirrors: Sequence[int]) -> Augment:
    """Moves every image by up to `shift` pixels (edges repeated) and mirrors half of them along each of `mirrors`."""

    def augment(inputs: Inputs, generator: torch.Generator) -> Inputs:
        images = inputs[0][0]
        n, side = len(images), images.shape[-1]
        move = torch.randint(-shift, shift + 1, (2, n, 1), generator=generator, device=images.device)
        place = torch.arange(side, device=images.device)
        rows, columns = (place + move).clamp(0, side - 1)
        for axis in mirrors:
            flip = torch.rand((n, 1), generator=generator, device=images.device) < 0.5
            if axis == 2:
                rows = torch.where(flip, side - 1 - rows, rows)
            else:
                columns = torch.where(flip, side - 1 - columns, columns)
        number = torch.arange(n, device=images.device)[:, None, None]
        moved = images.permute(0, 2, 3, 1)[number, rows[:, :, None], columns[:, None, :]]
        return (moved.permute(0, 3, 1, 2)[None],)

    return augment
