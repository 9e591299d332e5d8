"""Carrying runs from the queue to their end."""
