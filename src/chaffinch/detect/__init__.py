"""Numbers to issues and pairs; never opens an image."""
