"""A model of one matrix for the tests of training: rows of numbers in, vectors out; with dropout if asked."""

import torch
from torch import nn

torch.set_num_threads(1)


class Rows(nn.Module):
    """{"input_values": (n, w)} → {"sentence_embedding": (n, d)}, in float64."""

    def __init__(self, width: int = 7, dim: int = 5, dropout: float = 0.0) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Sequential(nn.Linear(width, 8), nn.Tanh(), nn.Dropout(dropout), nn.Linear(8, dim)).double()

    def __getitem__(self, position: int) -> nn.Module:
        return self.layer

    def forward(self, features):
        return {"sentence_embedding": self.layer(features["input_values"])}


def batch(seed: int, columns: int, n: int = 10, width: int = 7):
    """Features of `columns` columns, each (n, width)."""
    generator = torch.Generator().manual_seed(seed)
    return [{"input_values": torch.randn(n, width, generator=generator, dtype=torch.float64)} for _ in range(columns)]
