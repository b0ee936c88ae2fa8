"""What the documentation says is done: its Python runs, its commands exist, its links lead somewhere, and no option is missing."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from oidc_middleware.config import Settings
from oidc_middleware.errors import CODES

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "examples" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)

#: What a reader has when the documentation begins with ``protect(app)``.
SETTINGS = {
    "OIDC_ISSUER": "https://login.example.com",
    "OIDC_CLIENT_ID": "dashboards",
    "OIDC_CLIENT_SECRET": "2Vb3Qk9wYtX7sLr4NfHc8Zp6JmDgUe1A",
    "OIDC_BASE_URL": "https://dash.example.com",
}


def blocks(page: Path, *languages: str) -> list[str]:
    return [text for language, text in BLOCK.findall(page.read_text(encoding="utf-8")) if language in languages]


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=name_of)
def test_the_python_of_a_page_runs_from_top_to_bottom(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in SETTINGS.items():
        monkeypatch.setenv(variable, value)
    namespace: dict[str, Any] = {"__name__": "__main__", "app": Flask("reader")}
    for number, text in enumerate(blocks(page, "python"), start=1):
        exec(compile(text, f"{page.name}, block {number}", "exec", dont_inherit=True), namespace)
        if not hasattr(namespace["app"], "wsgi_app"):  # the next block begins with an app of the reader's own again
            namespace["app"] = Flask("reader")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_commands_of_a_page_exist(page: Path) -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    text = page.read_text(encoding="utf-8")
    commands = "\n".join([*blocks(page, "sh"), *re.findall(r"`(make [^`]*)`", text)])
    assert set(re.findall(r"\bmake ([a-z-]+)", commands)) <= targets
    for script in re.findall(r"python ((?:examples|tools)/\S+\.py)", text):
        assert (ROOT / script).is_file(), script
    for module in re.findall(r"python -m (oidc_middleware(?:\.\w+)*)", text):
        assert (ROOT / module.replace(".", "/") / "__main__.py").is_file(), module
    for variable in re.findall(r"\b(OIDC_[A-Z_]+)=", text):
        assert variable.removeprefix("OIDC_").removesuffix("_FILE").lower() in option_names(), variable


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{name_of(page)} links to {target}"
        assert not anchor or anchor in anchors(file), f"{name_of(page)} links to {target}"


def test_the_variables_of_the_examples_fit_the_development_provider() -> None:
    from oidc_middleware.provider.__main__ import DEVELOPMENT_SECRET, arguments

    defaults = arguments().parse_args([])
    assert (ROOT / "examples" / "dev.env").read_text().split() == [
        f"OIDC_ISSUER=http://{defaults.host}:{defaults.port}",
        f"OIDC_CLIENT_ID={defaults.client_id}",
        f"OIDC_CLIENT_SECRET={DEVELOPMENT_SECRET}",
    ]


def option_names() -> set[str]:
    return {field.name for field in fields(Settings)} - {"secret_keys"} | {"secret_key"}


def test_every_option_is_documented_and_no_other() -> None:
    documented = set(re.findall(r"^\| `(\w+)` \|", (ROOT / "docs" / "options.md").read_text(encoding="utf-8"), re.MULTILINE))
    assert documented == option_names()


def test_the_documented_defaults_are_the_defaults() -> None:
    defaults = {field.name: field.default for field in fields(Settings)}
    table = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", (ROOT / "docs" / "options.md").read_text(encoding="utf-8"), re.MULTILINE))
    for option in ("session_lifetime", "idle_timeout", "login_timeout"):
        assert f"`{defaults[option]:.0f}`" in table[option]
    assert table["leeway"] == f"{defaults['leeway']:.0f} s"
    assert table["scopes"] == f"`{' '.join(defaults['scopes'])}`"
    assert table["prefix"] == f"`{defaults['prefix']}`"
    assert table["id_token_algs"] == f"`{' '.join(defaults['id_token_algs'])}`"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_codes_that_a_page_names_exist(page: Path) -> None:
    for code in re.findall(r"reason=(\w+)|the code `(\w+)`|error\.code == \"(\w+)\"", page.read_text(encoding="utf-8")):
        assert "".join(code) in CODES
