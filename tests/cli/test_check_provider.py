"""``oidc-middleware check`` at a provider that is in order, and at those that are not."""

from __future__ import annotations

import ssl
import time
from email.utils import formatdate

import httpx
import pytest
import trustme

from oidc_middleware.provider import Client, Provider
from oidc_middleware.provider.server import address, listen, serving
from oidc_middleware.testing import REMOVE
from oidc_middleware.testing.keys import b64url
from tests.cli.conftest import BASE_URL, SECRET, OnSocket, redirect


def test_all_is_well(shell, provider):
    found = shell.at(provider, allow="@example.com", revocation="sqlite:///sessions.db").check()
    assert (found["problem"], found["warning"]) == ({}, {})
    assert set(found["ok"]) >= {
        "settings",
        "base_url",
        "issuer",
        "leeway",
        "require_pkce",
        "client_auth",
        "id_token_algs",
        "keys",
        "client_id",
        "client_secret",
    }
    assert f"{BASE_URL}/oidc/callback" in found["ok"]["client_id"]
    assert provider.paths == ["GET /.well-known/openid-configuration", "GET /jwks", "GET /authorize", "POST /token"]
    assert provider.received("token")[0].form["code"] == "oidc-middleware-check"
    assert shell.register == {
        "redirect_uri": f"{BASE_URL}/oidc/callback",
        "post_logout_redirect_uri": f"{BASE_URL}/oidc/signed-out",
        "backchannel_logout_uri": f"{BASE_URL}/oidc/backchannel-logout",
    }


def test_without_questions_about_the_client(shell, provider):
    shell.at(provider).check("--no-probe")
    assert provider.paths == ["GET /.well-known/openid-configuration", "GET /jwks"]


def test_our_own_provider(shell):
    listening = listen()
    issuer = address(listening)
    own = Provider(issuer, [Client("app", SECRET, [f"{BASE_URL}/oidc/callback"])])
    with serving(own, sock=listening):
        shell.settings(issuer=issuer, client_id="app", client_secret=SECRET, base_url=BASE_URL)
        assert shell.check()["problem"] == {}
        shell.settings(client_secret="another-" + SECRET)
        assert "client_rejected" in shell.check(code=1)["problem"]["client_secret"]
        shell.settings(client_secret=SECRET, base_url="https://elsewhere.example.com")
        assert "register the redirect URI" in shell.check(code=1)["problem"]["client_id"]


# -- the provider's configuration ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bend", "word", "advice"),
    [
        (
            lambda provider: provider.metadata_edits.update(issuer=lambda issuer: issuer + "/"),
            "metadata_issuer_mismatch",
            "Set OIDC_ISSUER to exactly",
        ),
        (lambda provider: provider.script("discovery", status=404, body=b"<html>"), "metadata_invalid", "Is the issuer right?"),
        (lambda provider: provider.script("discovery", status=503, body=b""), "provider_unavailable", "provider's log"),
        (lambda provider: provider.script("discovery", status=301, headers={"location": "/"}, body=b""), "response_redirected", "slash at the end"),
        (lambda provider: provider.metadata_edits.update(token_endpoint="http://op.example/token"), "metadata_endpoint_insecure", "public https"),
        (lambda provider: provider.script("discovery", body=b"x" * 2_000_000), "response_too_large", "provider that answers there"),
    ],
)
def test_a_configuration_that_cannot_be_used(shell, provider, bend, word, advice):
    bend(provider)
    found = shell.at(provider).check(code=1)
    assert list(found["problem"]) == ["issuer"]
    assert word in found["problem"]["issuer"]
    assert advice in found["problem"]["issuer"]
    assert provider.paths == ["GET /.well-known/openid-configuration"]


def test_nobody_listens(shell):
    provider = OnSocket()
    provider.close()
    found = shell.at(provider, store="sqlite:///nowhere/x.db").check(code=1)
    assert "Nothing listens there" in found["problem"]["issuer"]
    assert "does not exist" in found["problem"]["store"], "and the rest is checked all the same"


def test_a_name_that_nobody_knows(shell):
    shell.settings(issuer="https://no-such-host.invalid", client_id="app", client_secret=SECRET, base_url=BASE_URL, trust_env="false")
    assert "provider_unreachable" in shell.check(code=1)["problem"]["issuer"]


def test_a_certificate_that_nobody_trusts(shell, monkeypatch, tmp_path):
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    provider = OnSocket(tls=context)
    try:
        found = shell.at(provider).check(code=1)
        assert "not trusted here" in found["problem"]["issuer"]
        authority.cert_pem.write_to_path(tmp_path / "authority.pem")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
        assert shell.check()["problem"] == {}
    finally:
        provider.close()


@pytest.mark.parametrize(
    ("name", "value", "level", "about", "words"),
    [
        ("code_challenge_methods_supported", REMOVE, "warning", "require_pkce", "Turn it on"),
        ("code_challenge_methods_supported", ["plain"], "warning", "require_pkce", "does not advertise"),
        ("response_types_supported", ["id_token"], "problem", "issuer", "authorization code flow"),
        (
            "id_token_signing_alg_values_supported",
            ["ES256", "HS256"],
            "problem",
            "id_token_algs",
            "what this client's tokens are signed with: ES256.",
        ),
        ("id_token_signing_alg_values_supported", ["none"], "problem", "id_token_algs", "another provider"),
        ("id_token_signing_alg_values_supported", REMOVE, "note", "id_token_algs", "does not list"),
        ("scopes_supported", ["openid", "email"], "warning", "scopes", "does not list profile"),
        ("token_endpoint_auth_methods_supported", ["private_key_jwt"], "problem", "client_auth", "private_key_jwt"),
        ("end_session_endpoint", REMOVE, "note", "issuer", "signing out"),
        ("claims_supported", ["sub", "name"], "warning", "allow", "email, email_verified"),
    ],
)
def test_a_configuration_that_does_not_fit_the_settings(shell, provider, name, value, level, about, words):
    provider.end_session_supported = True
    assert about not in shell.at(provider, allow="@example.com").check()[level]
    provider.metadata_edits[name] = value
    found = shell.check(code=1 if level == "problem" else 0)
    assert words in found[level][about]


def test_settings_that_ask_for_what_is_not_there(shell, provider):
    provider.metadata_edits.update(userinfo_endpoint=REMOVE, code_challenge_methods_supported=REMOVE, response_modes_supported=["query"])
    shell.at(provider, userinfo="always", require_pkce="true", response_mode="form_post", client_auth="client_secret_post")
    found = shell.check("--no-probe", code=1)
    assert set(found["problem"]) == {"userinfo", "require_pkce"}
    assert {"response_mode", "client_auth"} <= set(found["warning"])


# -- keys ---------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda keys: {"keys": [key for key in keys["keys"] if key["kty"] != "RSA"]}, "none for RS256"),
        (lambda keys: {"keys": []}, "jwks_invalid"),
        (lambda keys: [], "jwks_invalid"),
    ],
)
def test_keys_that_verify_nothing(shell, provider, edit, words):
    provider.jwks_edit = edit
    assert words in shell.at(provider).check(code=1)["problem"]["keys"]


def test_keys_beside_which_others_are_of_no_use(shell, provider):
    provider.jwks_edit = lambda keys: {"keys": [*keys["keys"], {"kty": "RSA", "n": b64url(b"\xff" * 64), "e": "AQAB"}]}
    found = shell.at(provider).check()
    assert "RSA key of 512 bits" in found["note"]["keys"]


def test_symmetric_signatures_need_no_keys(shell, provider):
    provider.script("jwks", status=500)
    provider.metadata_edits["id_token_signing_alg_values_supported"] = ["HS256"]
    found = shell.at(provider, id_token_algs="HS256").check()
    assert "keys" not in found["ok"]
    assert "GET /jwks" not in provider.paths


# -- clocks -------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ahead", "age", "level", "words"),
    [
        (0, None, "ok", "agree"),
        (3600, None, "problem", "behind the provider's"),
        (-3600, None, "problem", "ahead of the provider's"),
        (200, None, "warning", "behind"),
        (-3600, "3600", "ok", "agree"),
        (-3600, "soon", "problem", "ahead"),
    ],
)
def test_clocks(shell, provider, ahead, age, level, words):
    provider.headers = {"Date": lambda: formatdate(time.time() + ahead, usegmt=True), "Age": age}
    found = shell.at(provider, leeway="300").check(code=1 if level == "problem" else 0)
    assert words in found[level]["leeway"]


@pytest.mark.parametrize("date", [None, "yesterday", "Thu, 01 Jan 99999 00:00:00 GMT"])
def test_an_answer_without_a_date_tells_nothing_of_clocks(shell, provider, date):
    provider.headers = {"Date": date}
    assert "not compared" in shell.at(provider).check()["note"]["leeway"]


# -- the client at the provider -----------------------------------------------------------------------------------------------------------


def test_a_redirect_uri_that_is_not_registered(shell, provider):
    provider.redirect_uris = [f"{BASE_URL}/callback"]
    found = shell.at(provider).check(code=1)
    assert f"{BASE_URL}/oidc/callback" in found["problem"]["client_id"]
    assert "POST /token" not in provider.paths, "the secret goes nowhere in vain"


@pytest.mark.parametrize(
    ("answer", "level", "words"),
    [
        (lambda parameters, _: redirect(parameters, error="invalid_scope", error_description="groups?"), "problem", "groups?"),
        (lambda parameters, _: redirect(parameters, error="consent_required"), "ok", "knows this client"),
        (lambda parameters, _: redirect({**parameters, "redirect_uri": BASE_URL + "/oidc/callbacks"}), "note", "did not tell"),
        (lambda *_: httpx.Response(200, html="<form>Who are you?</form>"), "note", "did not tell"),
        (lambda *_: httpx.Response(302, headers={"location": "/login"}), "note", "did not tell"),
        (lambda *_: httpx.Response(500), "note", "did not tell"),
        (lambda *_: httpx.Response(200, content=b"x" * 2_000_000), "note", "could not be asked"),
    ],
)
def test_what_the_authorization_endpoint_says(shell, provider, answer, level, words):
    provider.answers = answer
    found = shell.at(provider).check(code=1 if level == "problem" else 0)
    assert words in found[level]["client_id"]


def test_parameters_about_users_are_left_out(shell, provider):
    seen = []

    def answer(parameters, problems):
        seen.append((parameters, problems))
        return redirect(parameters, error="login_required")

    provider.answers = answer
    shell.at(provider, authorize_params='{"max_age": 0, "prompt": "login", "login_hint": "ada", "acr_values": "urn:mfa", "resource": "x"}').check()
    ((parameters, problems),) = seen
    assert problems == []
    assert (parameters["prompt"], parameters["acr_values"], parameters["resource"]) == ("none", "urn:mfa", "x")
    assert {"max_age", "login_hint"}.isdisjoint(parameters)


def test_a_wrong_secret(shell, provider):
    found = shell.at(provider, client_secret="another-" + SECRET).check(code=1)
    assert "client_rejected" in found["problem"]["client_secret"]
    assert "OIDC_CLIENT_AUTH" in found["problem"]["client_secret"]


@pytest.mark.parametrize(
    ("script", "level", "about", "words"),
    [
        ({"status": 400, "json": {"error": "unsupported_grant_type"}}, "note", "client_secret", "unusual"),
        ({"status": 503, "body": b""}, "problem", "issuer", "token endpoint cannot be used"),
        (
            {
                "status": 200,
                "json": {"access_token": "t", "token_type": "Bearer", "id_token": "a.b.c"},
                "headers": {"content-type": "application/json"},
            },
            "problem",
            "issuer",
            "never issued",
        ),
    ],
)
def test_what_the_token_endpoint_says(shell, provider, script, level, about, words):
    provider.script("token", **script)
    found = shell.at(provider).check(code=1 if level == "problem" else 0)
    assert words in found[level][about]


def test_a_public_client(shell):
    provider = OnSocket(client_auth="none")
    try:
        found = shell.at(provider, secret_key=SECRET * 2).check()
        assert "with none" in found["ok"]["client_secret"]
        assert "public client" in found["note"]["client_secret"]
    finally:
        provider.close()
