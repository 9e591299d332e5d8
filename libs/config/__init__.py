"""Settings every service shares: environment, secrets from files, printing."""

from libs.config.settings import Listed, ServiceSettings, variable_names

__all__ = ["Listed", "ServiceSettings", "variable_names"]
