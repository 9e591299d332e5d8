"""Settings every service shares: environment, secrets from files, printing."""

from libs.config.settings import ServiceSettings, variable_names

__all__ = ["ServiceSettings", "variable_names"]
