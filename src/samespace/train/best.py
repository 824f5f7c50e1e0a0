"""The best state of a module so far, kept beside it: what a plan writes, so that training never ends below a start.

Imports torch.
"""

import torch
from torch import Tensor, nn

__all__ = ["Best"]


class Best(nn.Module):
    """Copies of what a module learns, as buffers, so that a state on disk holds them too.

    Args:
        of: the module; its state as it is now is the first that is kept.
    """

    value: Tensor

    def __init__(self, of: nn.Module) -> None:
        super().__init__()
        self.register_buffer("value", torch.tensor(-1.0))
        self.names = {name: f"best_{i}" for i, name in enumerate(of.state_dict())}
        for name, rows in of.state_dict().items():
            self.register_buffer(self.names[name], rows.detach().clone())

    @torch.no_grad()
    def seen(self, of: nn.Module, value: float) -> None:
        """Keep the module's state if its value is above all before."""
        if value > float(self.value):
            self.value.fill_(value)
            for name, rows in of.state_dict().items():
                self.get_buffer(self.names[name]).copy_(rows)

    def put_back(self, of: nn.Module) -> None:
        """Give the module the best state."""
        of.load_state_dict({name: self.get_buffer(kept) for name, kept in self.names.items()})
