"""Crew configuration: one schema for files, custom resources and the wire."""
