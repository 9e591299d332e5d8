"""Agent packages: the tools of one business function each, without prompt text."""
