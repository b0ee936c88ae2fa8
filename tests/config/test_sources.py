"""Where values come from, which source wins, and names that do not exist."""

from __future__ import annotations

import subprocess
import sys

import pytest

from oidc_middleware.config import load_settings
from oidc_middleware.errors import ConfigError
from tests.config.options import BASE, KEY, LONG_SECRET, OTHER_KEY, load, problem, problems

ENVIRON = {f"OIDC_{name.upper()}": value for name, value in BASE.items()}


def test_everything_from_the_environment():
    assert load_settings({}, ENVIRON) == load_settings(BASE, {})


def test_the_process_environment_is_the_default(monkeypatch):
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    assert load_settings({}) == load_settings(BASE, {})


def test_code_wins_over_variable_wins_over_file(tmp_path):
    file = tmp_path / "id"
    file.write_text("from-file\n")
    both = {"OIDC_CLIENT_ID": "from-variable", "OIDC_CLIENT_ID_FILE": str(file)}
    assert load(both).client_id == "dash"
    assert load(both, client_id=...).client_id == "from-variable"
    assert load({"OIDC_CLIENT_ID_FILE": str(file)}, client_id=...).client_id == "from-file"


@pytest.mark.row("F-PR-20")
def test_a_variable_is_utf_8_whatever_the_locale_made_of_it(monkeypatch):
    assert load({"OIDC_TITLE": "Übersicht 北京"}).title == "Übersicht 北京"
    written = "Übersicht".encode()
    for encoding, read in (("ascii", written.decode("ascii", "surrogateescape")), ("latin-1", written.decode("latin-1"))):
        monkeypatch.setattr("oidc_middleware.config.sources.os.fsencode", lambda text, encoding=encoding: text.encode(encoding, "surrogateescape"))
        assert load({"OIDC_TITLE": read}).title == "Übersicht"
        monkeypatch.undo()
    monkeypatch.setattr("oidc_middleware.config.sources.os.fsencode", lambda text: text.encode("latin-1"))
    assert load({"OIDC_TITLE": "Übersicht"}).title == "Übersicht", "and one that is in the locale's own encoding is what it says"


def test_none_in_code_means_not_given():
    assert load({"OIDC_CLIENT_ID": "from-variable"}, client_id=None).client_id == "from-variable"


def test_a_mapping_in_code_replaces_the_one_in_the_environment():
    given = load({"OIDC_AUTHORIZE_PARAMS": '{"ui_locales": "de", "prompt": "login"}'}, authorize_params={"prompt": "consent"})
    assert dict(given.authorize_params) == {"prompt": "consent"}


def test_secrets_from_files_lose_their_last_line_break(tmp_path):
    (tmp_path / "secret").write_text("s3cr:t%ä\r\n", encoding="utf-8")
    (tmp_path / "keys").write_text(f"{KEY}\n{OTHER_KEY}\n")
    files = {"OIDC_CLIENT_SECRET_FILE": str(tmp_path / "secret"), "OIDC_SECRET_KEY_FILE": str(tmp_path / "keys")}
    settings = load(files, client_secret=..., secret_key=...)
    assert settings.client_secret == "s3cr:t%ä"
    assert settings.secret_keys == (KEY, OTHER_KEY)


@pytest.mark.parametrize(("content", "reason"), [(None, "No such file"), (b"\xff\xfe", "UTF-8"), (b"x" * 64_001, "too large")])
def test_an_unusable_file_is_a_problem_of_its_setting(tmp_path, content, reason):
    file = tmp_path / "value"
    if content is not None:
        file.write_bytes(content)
    sentence = problem({"OIDC_ISSUER_FILE": str(file)}, issuer=...)
    assert sentence.startswith("issuer: the file named by OIDC_ISSUER_FILE")
    assert reason in sentence


@pytest.mark.row("CF-01")
@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("isuer", "issuer"),
        ("publik", "public"),
        ("allowed", "allow"),
        ("verify", "always verified"),
        ("verify_ssl", "always verified"),
        ("VERIFY", "always verified"),
        ("redirect_uri", "base_url + prefix"),
        ("callback_url", "base_url + prefix"),
        ("server_metadata_url", "give the issuer"),
        ("discovery_url", "give the issuer"),
        ("audience", "extra_audiences"),
        ("secret", "client_secret or secret_key"),
        ("Isuer", "did you mean issuer"),
        ("_env_file", ""),
        ("zzz", ""),
    ],
)
def test_an_unknown_option_is_a_problem_with_a_hint(name, hint):
    sentence = problem(**{name: False})
    assert sentence.startswith(f"{name}: unknown option")
    assert hint in sentence


@pytest.mark.row("CF-01", "AZ-03")
@pytest.mark.parametrize(
    ("variable", "meant"), [("OIDC_ALOW", "OIDC_ALLOW"), ("OIDC_SCOPE", "OIDC_SCOPES"), ("OIDC_CLIENT_SECRT_FILE", "OIDC_CLIENT_SECRET")]
)
def test_a_variable_that_looks_like_ours_is_a_problem(variable, meant):
    sentence = problem({variable: "nobody@example.com"})
    assert sentence == f"{variable}: unknown variable; did you mean {meant}?"


@pytest.mark.parametrize(
    "variable", ["OIDC_RSA_PRIVATE_KEY", "OIDC_TEST_NO_SKIP", "OIDC_PROVIDER_PORT", "OIDC_PUBLISHER", "OIDC_BASE", "oidc_alow", "XOIDC_ALOW"]
)
def test_other_packages_variables_are_theirs(variable):
    assert load({variable: "x"}) == load()


@pytest.mark.row("CF-01")
def test_all_problems_at_once_each_naming_its_setting():
    found = problems(
        {"OIDC_ALOW": "x"},
        issuer="http://login.example.com",
        base_url="http://dash.example.com",
        client_id=...,
        client_secret="changeme",
        secret_key="short",
        leeway="300x",
        prefix="oidc",
        userinfo="sometimes",
        verify=False,
    )
    names = sorted(sentence.partition(":")[0] for sentence in found)
    assert names == ["OIDC_ALOW", "base_url", "client_id", "client_secret", "issuer", "leeway", "prefix", "secret_key", "userinfo", "verify"]


def test_required_options_name_their_variable():
    assert problems(issuer=..., client_id=...) == ("issuer: is required (variable OIDC_ISSUER)", "client_id: is required (variable OIDC_CLIENT_ID)")


@pytest.mark.row("LG-01")
def test_no_secret_shows_anywhere():
    password = "hunter2hunter2"
    with pytest.raises(ConfigError) as caught:
        load_settings(
            {
                "issuer": f"https://user:{password}@login.example.com",
                "client_id": f"{password}\n",
                "client_secret": f" {password}",
                "secret_key": [password, f"[{password}"],
                "base_url": f"ftp://{password}",
                "scopes": password,
                "leeway": password,
                "authorize_params": f"{{{password}",
                "allow": f"[{password}",
                "trusted_proxies": password,
                "store": f"mysql://user:{password}@localhost",
                "response_mode": password,
                "http_client": password,
            },
            {},
        )
    error = caught.value
    assert len(error.problems) == 13
    for shown in (str(error), repr(error), error.detail, repr(error.args), repr(error.__context__), repr(error.__cause__)):
        assert password not in shown
    assert error.__context__ is None
    assert str(error).startswith("oidc_middleware is not configured correctly:\n  - ")


@pytest.mark.row("LG-01")
def test_the_settings_print_no_secret():
    redis = "redis://user:hunter2hunter2@localhost:6379/0"
    settings = load(client_secret=LONG_SECRET, authorize_params={"login_hint": "ada@example.com"}, store=redis)
    shown = repr(settings) + repr(load(revocation=redis))
    assert settings.store == redis
    assert "hunter2" not in shown
    assert KEY not in shown
    assert LONG_SECRET not in shown
    assert "ada@example.com" not in shown
    assert "https://login.example.com" in shown


@pytest.mark.row("CF-02")
def test_two_sets_of_options_do_not_mix():
    first = load(public=["/a"], client_id="one")
    second = load(client_id="two")
    assert (first.public, second.public) == (("/a",), ())
    assert (first.client_id, second.client_id) == ("one", "two")


def test_the_settings_cannot_be_changed():
    settings = load(authorize_params={"prompt": "login"})
    with pytest.raises(AttributeError):
        settings.issuer = "https://other.example.com"
    with pytest.raises(TypeError):
        settings.authorize_params["prompt"] = "none"
    assert settings.issuer == "https://login.example.com"


def test_reading_settings_imports_no_library_of_other_rooms():
    code = "import sys, oidc_middleware.config\nprint([name for name in ('httpx', 'jinja2', 'joserfc', 'authlib') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
