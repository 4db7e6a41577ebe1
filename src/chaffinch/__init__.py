"""chaffinch: find what is wrong in an image dataset and what leaks from train to test."""

__version__ = "0.1.0"
