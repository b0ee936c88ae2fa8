"""What a check found: plain values, shown as text or as JSON by others."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Level = Literal["ok", "note", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """``about`` is a setting or a part of the surroundings, ``text`` what was found, ``advice`` what to do. None of it is secret."""

    level: Level
    about: str
    text: str
    advice: str = ""


@dataclass(slots=True)
class Report:
    """The findings in their order, and what is to be registered at the provider."""

    findings: list[Finding] = field(default_factory=list)
    #: The provider's name for an address (OpenID Connect Registration 2) -> the address.
    register: dict[str, str] = field(default_factory=dict)

    def ok(self, about: str, text: str) -> None:
        """Looked at, and in order."""
        self.findings.append(Finding("ok", about, text))

    def note(self, about: str, text: str, advice: str = "") -> None:
        """Good to know."""
        self.findings.append(Finding("note", about, text, advice))

    def warning(self, about: str, text: str, advice: str) -> None:
        """It works, and may not always, or not as safely as it could."""
        self.findings.append(Finding("warning", about, text, advice))

    def problem(self, about: str, text: str, advice: str) -> None:
        """Nobody can sign in, or something that was asked for does not happen."""
        self.findings.append(Finding("problem", about, text, advice))

    @property
    def problems(self) -> int:
        return sum(finding.level == "problem" for finding in self.findings)

    @property
    def warnings(self) -> int:
        return sum(finding.level == "warning" for finding in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        findings = [asdict(finding) for finding in self.findings]
        return {"problems": self.problems, "warnings": self.warnings, "register": self.register, "findings": findings}
