"""How `chaffinch-s` is trained, measured and exported; not part of the package."""
