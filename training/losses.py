"""What training minimises: stay where the teacher is, and bring copies together.

N crops, D dimensions. Every loss is a mean over the batch; lower is better.

Sources: Hinton et al., Distilling the Knowledge in a Neural Network, 2015 (divergence of logits); Pizzi et
al., A Self-Supervised Descriptor for Image Copy Detection, 2022, section 4 (contrast with an entropy term);
Sablayrolles et al., Spreading vectors for similarity search, 2019 (the entropy term).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

SMALLEST_DISTANCE = 1e-4
"""Distances are not taken to be shorter: their logarithm is the entropy term."""


def direction_loss(vectors: Tensor, targets: Tensor) -> Tensor:
    """Return 1 - cosine between vectors and targets, both (N, D)."""
    return 1 - functional.cosine_similarity(vectors, targets, dim=1).mean()


def logit_loss(logits: Tensor, teacher_logits: Tensor) -> Tensor:
    """Return the divergence from the teacher's probabilities, both (N, classes)."""
    ours, theirs = functional.log_softmax(logits, dim=1), functional.log_softmax(teacher_logits, dim=1)
    return functional.kl_div(ours, theirs, reduction="batchmean", log_target=True)


def copy_losses(
    plain: Tensor, strong: Tensor, *, photographs: Tensor, temperature: float
) -> tuple[Tensor, Tensor]:
    """Return how badly copies are told from strangers, and how crowded the vectors lie.

    Args:
        plain: Vectors of the crops, (N, D).
        strong: Vectors of their strong views, (N, D).
        photographs: Shape (N,); crops of the same photograph are neither copies nor strangers.
        temperature: Divides the cosines; lower looks at the nearest strangers alone.
    """
    n = len(plain)
    units = functional.normalize(torch.cat([plain, strong]), dim=1)
    cosines = units @ units.T
    rows = photographs.repeat(2)
    is_related = rows[:, None] == rows[None, :]
    copy_of = torch.arange(2 * n).roll(n)
    strangers = cosines.masked_fill(is_related, -torch.inf)
    of_copy = cosines.gather(1, copy_of[:, None])
    contrast = torch.logsumexp(torch.cat([of_copy, strangers], dim=1) / temperature, dim=1)
    contrast = (contrast - of_copy[:, 0] / temperature).mean()
    nearest = (2 - 2 * strangers.max(dim=1).values).clamp_min(SMALLEST_DISTANCE**2).sqrt()
    return contrast, -nearest.log().mean()
