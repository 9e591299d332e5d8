"""Those the orchestrator itself asks."""
