"""The base of every service's `Config` and what may be printed of it."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, get_args, override

from pydantic import BaseModel, BeforeValidator, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

__all__ = ["Listed", "ServiceSettings", "variable_names"]

_NESTING = "__"
_FILE_SUFFIX = "_FILE"


def _split(value: object) -> object:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


type Listed[T] = Annotated[tuple[T, ...], NoDecode, BeforeValidator(_split)]
"""A comma-separated variable as a tuple."""


class ServiceSettings(BaseSettings):
    """Settings read from `VB_<SERVICE>_<FIELD>`, nested with `__`.

    A secret field can also be given as `<NAME>_FILE`, the path of a file whose
    text, without the final newline, wins over `<NAME>`. A variable with the
    service's prefix that no field knows is refused: it is a misspelling.
    Subclasses set `model_config = SettingsConfigDict(env_prefix="VB_…_")`.
    """

    model_config = SettingsConfigDict(
        env_nested_delimiter=_NESTING, extra="forbid", frozen=True
    )

    @classmethod
    @override
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Rank constructor arguments over secret files over the environment."""
        return init_settings, _EnvironmentFiles(settings_cls), env_settings

    def redacted(self) -> str:
        """Print as lines of `NAME=value`; secrets and URL passwords are masked."""
        prefix = self.model_config.get("env_prefix", "")
        values = self.model_dump(mode="json")
        return "\n".join(
            f"{prefix}{name.upper()}={_masked(value)}" for name, value in _flat(values)
        )


def variable_names(settings: type[ServiceSettings]) -> list[str]:
    """List the environment variables a settings class reads, secret files too."""
    prefix = settings.model_config.get("env_prefix", "")
    names: list[str] = []
    for path, field in _leaves(settings):
        name = prefix + path.upper()
        names.append(name)
        if _is_secret(field):
            names.append(name + _FILE_SUFFIX)
    return names


class _EnvironmentFiles(PydanticBaseSettingsSource):
    """Reads `<NAME>_FILE` for secret fields and refuses unknown variables."""

    @override
    def get_field_value(
        self, field: FieldInfo, field_name: str
    ) -> tuple[Any, str, bool]:
        """Unused: the whole tree is read at once in `__call__`."""
        return None, field_name, False

    @override
    def __call__(self) -> dict[str, Any]:
        """Return the nested values found in secret files."""
        prefix = self.config.get("env_prefix", "")
        leaves = dict(_leaves(self.settings_cls))
        values: dict[str, Any] = {}
        for variable, text in os.environ.items():
            if not variable.startswith(prefix):
                continue
            path = variable.removeprefix(prefix).lower()
            secret = path.removesuffix(_FILE_SUFFIX.lower())
            if path != secret and secret in leaves and _is_secret(leaves[secret]):
                _put(values, secret, Path(text).read_text("utf-8").rstrip("\r\n"))
            elif not _is_known(path, leaves):
                message = f"{variable} is not a setting; see --print-config"
                raise ValueError(message)
        return values


def _leaves(
    model: type[BaseModel], parent: str = ""
) -> Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        path = parent + name
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from _leaves(annotation, path + _NESTING)
        else:
            yield path, field


def _is_known(path: str, leaves: Mapping[str, FieldInfo]) -> bool:
    # A whole group or an entry of a mapping may be given by one variable.
    return any(
        path == leaf
        or leaf.startswith(path + _NESTING)
        or path.startswith(leaf + _NESTING)
        for leaf in leaves
    )


def _is_secret(field: FieldInfo) -> bool:
    return SecretStr in (field.annotation, *get_args(field.annotation))


def _put(values: dict[str, Any], path: str, text: str) -> None:
    *groups, name = path.split(_NESTING)
    for group in groups:
        values = values.setdefault(group, {})
    values[name] = text


def _flat(values: Mapping[str, Any], parent: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, parent + name + _NESTING)
        else:
            yield parent + name, value


def _masked(value: object) -> str:
    text = "" if value is None else str(value)
    scheme, separator, rest = text.partition("://")
    if separator and "@" in rest:
        return f"{scheme}://**********@{rest.rpartition('@')[2]}"
    return text
