"""Where values come from when the code does not give them: ``OIDC_<NAME>``, then the file that ``OIDC_<NAME>_FILE`` names."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

PREFIX: Final = "OIDC_"
_MAX_FILE_BYTES: Final = 64_000
#: How alike a foreign name must be to count as a misspelling of ours, as difflib measures it.
_ALIKE: Final = 0.75

#: What other packages call it.
_ELSEWHERE: Final = {
    "verify": "certificates are always verified; a private authority belongs into SSL_CERT_FILE or into your own http_client",
    "verify_ssl": "certificates are always verified; a private authority belongs into SSL_CERT_FILE or into your own http_client",
    "redirect_uri": "it is always base_url + prefix + '/callback'",
    "callback_url": "it is always base_url + prefix + '/callback'",
    "server_metadata_url": "give the issuer; the configuration is found below it",
    "discovery_url": "give the issuer; the configuration is found below it",
    "audience": "ID tokens are meant for client_id; see extra_audiences",
    "secret": "did you mean client_secret or secret_key?",
}


class Variables(PydanticBaseSettingsSource):
    """Reads the environment once. A file that cannot be read is a problem of its setting, added to ``problems``."""

    def __init__(self, settings_cls: type[BaseSettings], environ: Mapping[str, str], given: Iterable[str], problems: dict[str, str]) -> None:
        super().__init__(settings_cls)
        self._environ = environ
        self._given = frozenset(given)
        self._problems = problems

    def get_field_value(self, _field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """The text for *field_name*, or ``None``; the readers of the options make values of it."""
        return self._text(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        fields = self.settings_cls.model_fields
        found = {name: self.get_field_value(field, name)[0] for name, field in fields.items() if name not in self._given}
        return {name: value for name, value in found.items() if value is not None}

    def _text(self, name: str) -> str | None:
        variable = PREFIX + name.upper()
        if variable in self._environ:
            return _text_of(self._environ[variable])
        return self._file(name, f"{variable}_FILE") if f"{variable}_FILE" in self._environ else None

    def _file(self, name: str, variable: str) -> str | None:
        try:
            with Path(self._environ[variable]).open("rb") as file:
                content = file.read(_MAX_FILE_BYTES + 1)
            if len(content) <= _MAX_FILE_BYTES:
                return content.decode("utf-8").rstrip("\r\n")
            reason = "it is too large"
        except OSError as error:
            reason = error.strerror or type(error).__name__
        except ValueError:
            reason = "it is no UTF-8 text"
        self._problems[name] = f"the file named by {variable} cannot be used: {reason}"
        return None


def _text_of(value: str) -> str:
    """*value* as UTF-8, whatever locale the process was started in: under C or POSIX Python takes the environment for ASCII (catalogue F-PR-20)."""
    try:
        return value if value.isascii() else os.fsencode(value).decode("utf-8")
    except UnicodeError:  # written in the locale's own encoding
        return value


def unknown_options(names: Iterable[object], known: Iterable[str]) -> list[str]:
    """A sentence for every option that does not exist: a misspelled rule must not be a rule that is silently off (catalogue CF-01)."""
    known = tuple(known)
    return [f"{_shown(name)}: unknown option{_hint(str(name), known)}" for name in names if name not in known]


def unknown_variables(environ: Mapping[str, str], known: Iterable[str]) -> list[str]:
    """A sentence for every variable that looks like a misspelling of ours; others' variables may begin with ``OIDC_`` too."""
    known = tuple(known)
    sentences = []
    for variable in environ:
        name = variable.removeprefix(PREFIX).removesuffix("_FILE").lower()
        if not variable.startswith(PREFIX) or name in known:
            continue
        alike = difflib.get_close_matches(name, known, n=1, cutoff=_ALIKE)
        if alike:
            sentences.append(f"{_shown(variable)}: unknown variable; did you mean {PREFIX}{alike[0].upper()}?")
    return sentences


def _hint(name: str, known: tuple[str, ...]) -> str:
    if name.lower() in _ELSEWHERE:
        return f"; {_ELSEWHERE[name.lower()]}"
    alike = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.6)
    return f"; did you mean {alike[0]}?" if alike else ""


def _shown(name: object) -> str:
    shown = str(name)[:60]
    return shown if shown.isprintable() else ascii(shown)
