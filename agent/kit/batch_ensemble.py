"""Fits the `tabm` package's network into the training loop's shapes; imports torch, so import it lazily."""

from collections.abc import Sequence
from typing import Any

from rtdl_num_embeddings import PeriodicEmbeddings
from tabm import TabM
from torch import Tensor, nn

MOST_EMBEDDED = 100  # numeric columns; beyond that the raw numbers go in as they are


class TabMNetwork(nn.Module):
    """Inputs: numbers (1, batch, numeric) and codes (1, batch, columns); output (members, batch, outputs)."""

    independent = False

    def __init__(
        self,
        numeric: int,
        levels: Sequence[int],
        outputs: int,
        *,
        members: int,
        width: int,
        depth: int,
        dropout: float,
        embedding: int,
    ) -> None:
        super().__init__()
        embed = embedding and numeric <= MOST_EMBEDDED
        numbers = PeriodicEmbeddings(numeric, embedding, n_frequencies=16, lite=True) if embed else None
        self.net = TabM.make(
            n_num_features=numeric, cat_cardinalities=list(levels), d_out=outputs, num_embeddings=numbers,
            k=members, d_block=width, n_blocks=depth, dropout=dropout,
        )

    def forward(self, numbers: Tensor, codes: Tensor) -> Tensor:
        return self.net(numbers[0], codes[0] if codes.shape[-1] else None).movedim(1, 0)

    def at(self, progress: float) -> None:
        """Dropout stays as it is."""

    def groups(self, lr: float, weight_decay: float) -> list[dict[str, Any]]:
        """Matrices decay; biases, scales and embeddings of numbers do not."""
        named = [(name, value) for name, value in self.net.named_parameters() if value.requires_grad]
        decays = [value for name, value in named if value.ndim >= 2 and "num_module" not in name]
        others = [value for _, value in named if not any(value is one for one in decays)]
        return [
            {"params": decays, "lr": lr, "weight_decay": weight_decay},
            {"params": others, "lr": lr, "weight_decay": 0.0},
        ]
