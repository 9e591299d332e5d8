"""Executing crews on CrewAI; the only place that imports it."""
