"""Turns crew resources into running crews: revisions, roll-outs, status."""
