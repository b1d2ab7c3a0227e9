"""EfficientNet-Lite0, a network that was trained on ImageNet's photographs; imports torch, so import it lazily.

Tan and Le 2019, table 1, in the Lite form of Google's TPU models: ReLU6, no squeeze-and-excitation, stem and head not scaled.
"""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

STAGES = ((3, 1, 1, 16, 1), (3, 2, 6, 24, 2), (5, 2, 6, 40, 2), (3, 2, 6, 80, 3), (5, 1, 6, 112, 3), (5, 2, 6, 192, 4),
          (3, 1, 6, 320, 1))  # kernel, stride, expansion, channels, blocks
READ = (2, 4)  # stages whose maps tell of texture and parts, where the head tells of things
STEM, HEAD, CLASSES = 32, 1280, 1000
SLOWER = 4.0  # than the output layer: what was trained already
WIDTH = 2 * sum(STAGES[stage][3] for stage in READ) + HEAD


class EfficientNet(nn.Module):
    """Input: images (n, 3, side, side), bytes from 0 to 255, any side from 32; output (n, WIDTH)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _Unit(3, STEM, 3, 2)
        widths = pairwise([STEM, *(stage[3] for stage in STAGES)])
        self.stages = nn.ModuleList(
            nn.Sequential(*(_Block(inputs if k == 0 else outputs, outputs, kernel, stride if k == 0 else 1, expansion)
                            for k in range(blocks)))
            for (inputs, outputs), (kernel, stride, expansion, _, blocks) in zip(widths, STAGES, strict=True))
        self.head = _Unit(STAGES[-1][3], HEAD, 1)
        self.last = nn.Linear(HEAD, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        """Mean and spread of each channel of the stages in READ, and the means of the head's."""
        x = self.stem(((images.float() - 127) / 128).contiguous(memory_format=torch.channels_last))
        told = []
        for number, stage in enumerate(self.stages):
            x = stage(x)
            told += [x.mean((2, 3)), x.std((2, 3), correction=0)] if number in READ else []
        return torch.cat([*told, self.head(x).mean((2, 3))], dim=1)


class Tuned(nn.Module):
    """The network with an output layer of its own, to be trained on. Input: uint8 images (1, batch, 3, side, side); output (1,
    batch, outputs). Norms are part of the convolutions, so a small batch does not move them; kernels learn, their biases stay as
    the norms left them. On a GPU in bfloat16."""

    independent = False

    def __init__(self, body: EfficientNet, outputs: int) -> None:
        super().__init__()
        self.body = body
        self.last = nn.Linear(HEAD, outputs)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, images: Tensor) -> Tensor:
        with torch.autocast("cuda", torch.bfloat16, enabled=images.is_cuda):
            seen = self.body(images[0])[:, -HEAD:]
            return self.last(functional.dropout(seen, 0.2, self.training))[None].float()

    def at(self, progress: float) -> None:
        """Nothing changes with progress."""

    def groups(self, lr: float, weight_decay: float) -> list[dict[str, Any]]:
        """What was trained already learns more slowly than the output layer."""
        return [{"params": list(self.body.stem.parameters()) + list(self.body.stages.parameters())
                 + list(self.body.head.parameters()), "lr": lr / SLOWER, "weight_decay": weight_decay},
                {"params": list(self.last.parameters()), "lr": lr, "weight_decay": weight_decay}]


class _Unit(nn.Module):
    """A convolution, its norm and, where it is `active`, ReLU6; padded as TensorFlow's "same" does."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, *, groups: int = 1, active: bool = True) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, kernel, stride, groups=groups, bias=False)
        self.norm: Any = nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.01)
        self.kernel, self.stride, self.active = kernel, stride, active

    def forward(self, x: Tensor) -> Tensor:
        side, layer = x.shape[-1], self.convolution
        short = max((-(-side // self.stride) - 1) * self.stride + self.kernel - side, 0)
        if short % 2:  # one more on the far side, which no convolution does by itself
            x, short = functional.pad(x, (short // 2, short - short // 2) * 2), 0
        x = self.norm(functional.conv2d(x, layer.weight, layer.bias, self.stride, short // 2, 1, layer.groups))
        return functional.relu6(x, inplace=not torch.is_grad_enabled()) if self.active else x

    def fuse(self) -> None:
        self.convolution, self.norm = fuse_conv_bn_eval(self.convolution, self.norm), nn.Identity()


class _Block(nn.Module):
    """Widen, look at each channel by itself, narrow; what came in is added where it has the same shape."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inputs * expansion
        widen = [_Unit(inputs, wide, 1)] if expansion > 1 else []
        self.body = nn.Sequential(*widen, _Unit(wide, wide, kernel, stride, groups=wide), _Unit(wide, outputs, 1, active=False))
        self.short = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) + x if self.short else self.body(x)


def pretrained(file: Path, *, fused: bool = False) -> EfficientNet:
    """With the weights of a file, which hold the layers in the same order under other names. fused: norms are part of the
    convolutions before them, as they stood after the training on photographs. No code of the file is run."""
    net = EfficientNet().eval()
    stored = torch.load(file, map_location="cpu", weights_only=True)
    net.load_state_dict(dict(zip(net.state_dict(), stored.values(), strict=True)))
    for unit in net.modules() if fused else ():
        if isinstance(unit, _Unit):
            unit.fuse()
    return net.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def read(net: EfficientNet, images: np.ndarray, device: Any) -> np.ndarray:
    """(n, WIDTH) float32 of images uint8 (n, 3, side, side)."""
    with torch.inference_mode():
        return np.asarray(net(torch.as_tensor(images, device=device)).float().cpu().numpy())
