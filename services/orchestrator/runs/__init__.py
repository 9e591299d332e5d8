"""Runs: admission, execution, events and those who watch."""
