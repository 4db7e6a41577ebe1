"""From decisions to a cleaned dataset: lists that a training script reads."""
