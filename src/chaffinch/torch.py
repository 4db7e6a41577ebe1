"""What a training script imports: `from chaffinch.torch import CleanedDataset, clean_hf_dataset`.

Neither this nor what it hands on loads torch or datasets itself; `torch.utils.data.DataLoader` takes both
kinds of dataset as they are.
"""

from chaffinch.apply.datasets import CleanedDataset, clean_hf_dataset

__all__ = ["CleanedDataset", "clean_hf_dataset"]
