"""What a PyTorch training script imports: `from chaffinch.torch import CleanedDataset`.

Neither this nor the class loads torch itself; `torch.utils.data.DataLoader` takes it as it is.
"""

from chaffinch.apply.datasets import CleanedDataset

__all__ = ["CleanedDataset"]
