"""From what the operator wrote to :class:`~oidc_middleware.config.settings.Settings`, or to the list of everything that is wrong with it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from oidc_middleware.config.options import Options, Problems
from oidc_middleware.config.settings import Settings
from oidc_middleware.config.sources import PREFIX, Variables, unknown_options, unknown_variables
from oidc_middleware.errors import ConfigError


def load_settings(options: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> Settings:
    """The settings from keyword *options*, then ``OIDC_<NAME>``, then the file named by ``OIDC_<NAME>_FILE``.

    *environ* defaults to the process's environment. An option that is ``None`` counts as not given, except ``allow`` (catalogue AZ-03).

    Raises :class:`~oidc_middleware.errors.ConfigError` with all problems at once, each beginning with its setting's name.
    """
    environ = os.environ if environ is None else environ
    known = tuple(Options.model_fields)
    problems = unknown_options(options, known) + unknown_variables(environ, known)
    given = {name: value for name, value in options.items() if name in known and (value is not None or name == "allow")}
    found, wrong = _read(given, environ)
    problems += wrong
    if found is None or problems:
        raise ConfigError(problems)
    values = {name: getattr(found, name) for name in known}
    return Settings(secret_keys=values.pop("secret_key"), **values)


def _read(given: dict[str, Any], environ: Mapping[str, str]) -> tuple[Options | None, list[str]]:
    """The options as read, or the problems. The library's own exception ends here: it would carry the values along."""
    unreadable: dict[str, str] = {}
    try:
        return _bound(environ, given, unreadable)(**given), _sentences([], unreadable)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
    return None, _sentences(details, unreadable)


def _bound(environ: Mapping[str, str], given: Mapping[str, Any], unreadable: dict[str, str]) -> type[Options]:
    """The options with this environment as their second source."""

    class BoundOptions(Options):
        @classmethod
        def settings_customise_sources(  # type: ignore[override]  # called by keyword; the other sources are not wanted
            cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource, **_: PydanticBaseSettingsSource
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return init_settings, Variables(settings_cls, environ, given, unreadable)

    return BoundOptions


def _sentences(details: list[ErrorDetails], unreadable: Mapping[str, str]) -> list[str]:
    """One sentence a problem, ``name: what is wrong``."""
    sentences = [f"{name}: {reason}" for name, reason in unreadable.items()]
    for detail in details:
        name = str(detail["loc"][0])
        if name not in unreadable:
            sentences += [text if text.startswith(name) else f"{name}: {text}" for text in _reasons(name, detail)]
    return sentences


def _reasons(name: str, detail: ErrorDetails) -> tuple[str, ...]:
    if detail["type"] == "missing":
        return (f"is required (variable {PREFIX}{name.upper()})",)
    cause = detail.get("ctx", {}).get("error")
    return cause.sentences if isinstance(cause, Problems) else (str(cause or detail["msg"]),)
