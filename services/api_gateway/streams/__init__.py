"""The log of a stream over HTTP: page by page, or as it happens."""
