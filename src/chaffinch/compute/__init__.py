"""Bytes to numbers: decode, digests, pHash, quality, thumbnails, executors."""
