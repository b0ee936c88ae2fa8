"""Options that depend on each other, and those judged by other rooms."""

from __future__ import annotations

import pytest

from oidc_middleware.flows.site import Sites
from tests.config.options import KEY, load, problem, problems


@pytest.mark.row("ID-03", "ID-04")
@pytest.mark.parametrize("given", ["RS256", ["ES256", "EdDSA"], "PS256,RS256"])
def test_algorithms_are_pinned(given):
    assert load(id_token_algs=given).id_token_algs == tuple(given.split(",") if isinstance(given, str) else given)


@pytest.mark.row("ID-01", "ID-03", "ID-04")
@pytest.mark.parametrize("given", ["none", "None", "", [], "RS256 none", "rs256", "RS256 HS256", "HS256 ES256", "HS1", "RSA-OAEP"])
def test_no_algorithm_unknown_ones_and_mixed_ones_are_a_problem(given):
    assert all(sentence.startswith("id_token_algs: ") for sentence in problems(id_token_algs=given, client_secret=KEY[::-1]))


@pytest.mark.row("ID-03")
def test_symmetric_algorithms_need_a_long_secret():
    assert load(id_token_algs="HS256", client_secret=KEY[::-1]).id_token_algs == ("HS256",)
    assert problem(id_token_algs="HS512", client_secret=KEY[::-1]).startswith("id_token_algs: HS512 needs a client_secret of at least 64")
    assert problem(id_token_algs="HS256", client_secret=...).startswith("id_token_algs: HS256 needs")


@pytest.mark.row("CF-01")
def test_one_mistake_about_algorithms_is_one_sentence():
    for empty in ("", []):
        assert problem(id_token_algs=empty) == "id_token_algs: is empty"
    assert problem(id_token_algs="HS256", client_secret="changeme") == "client_secret: is a placeholder, not a secret"
    for algorithm, size in (("HS256", 32), ("HS384", 48), ("HS512", 64)):
        secret = (KEY[::-1] * 2)[:size]
        assert load(id_token_algs=algorithm, client_secret=secret).client_secret == secret
        assert f"at least {size} bytes" in problem(id_token_algs=algorithm, client_secret=secret[:-1])
    secret = (KEY[::-1] * 2)[:40]
    assert "at least 64 bytes" in problem(id_token_algs="HS256 HS512", client_secret=secret), "the longest counts"
    assert load(id_token_algs="RS256", client_secret="x7").id_token_algs == ("RS256",), "it signs nothing: any secret will do"


def test_client_auth_fits_the_secret():
    assert load().client_auth is None
    assert load(client_auth="client_secret_post").client_auth == "client_secret_post"
    assert load(client_auth="none", client_secret=...).client_auth == "none"
    assert problem(client_auth="none").startswith("client_auth: is none, but")
    assert problem(client_auth="client_secret_basic", client_secret=...).startswith("client_auth: is client_secret_basic, which needs")
    for later in ("client_secret_jwt", "private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth"):
        assert problem(client_auth=later) == f"client_auth: {later} is not available in this version"
    assert problem(client_auth="basic").startswith("client_auth: must be one of")


def test_form_post_needs_an_address_that_keeps_cross_site_cookies():
    assert load(response_mode="form_post").response_mode == "form_post"
    assert load(response_mode="form_post", base_url="http://localhost:8050").response_mode == "form_post"
    for base_url, insecure in [(..., False), ("http://dash.internal", True)]:
        assert problem(response_mode="form_post", base_url=base_url, insecure_allow_http=insecure).startswith("response_mode: is form_post")
    assert problem(response_mode="form_post", base_url="x").startswith("base_url: ")  # one mistake, one sentence
    assert problem(response_mode="fragment").startswith("response_mode: must be one of query, form_post")


@pytest.mark.row("RF-07")
@pytest.mark.parametrize("store", [{}, {"store": "cookie"}])
def test_tokens_are_never_kept_in_a_cookie(store):
    """Cookies of parallel answers would restore an older refresh token, whose second use ends everything."""
    assert problem(keep_tokens=True, **store) == "keep_tokens: needs store: tokens are kept on the server, never in a cookie"
    assert load(keep_tokens=True, store="memory://").keep_tokens is True
    assert problem(keep_tokens=True, store="nonsense").startswith("store: ")


def test_the_cookie_store_may_be_named():
    assert load(store="cookie").store is None
    assert load(keep_tokens=False).keep_tokens is False


@pytest.mark.row("CF-01", "PA-11")
@pytest.mark.parametrize("public", ["/", "/*", ["/a", "/*"], "health", "/a/.*", "/oidc/*", "/oidc/callback"])
def test_a_public_path_that_opens_too_much_is_a_problem(public):
    assert all(sentence.startswith("public") for sentence in problems(public=public))


def test_public_paths():
    assert load(public="/health /static/*").public == ("/health", "/static/*")
    assert load({"OIDC_PUBLIC": "/health,/static/*"}).public == ("/health", "/static/*")
    assert load(public=["/oidc/*"], prefix="/auth").public == ("/oidc/*",)


@pytest.mark.row("AZ-03")
@pytest.mark.parametrize("rules", [None, [], {}, "", {"emails": ["ada@example.com"]}, {"email": []}, "[]", "{}", 42])
def test_an_empty_misspelled_or_missing_rule_is_never_everyone(rules):
    assert all(sentence.startswith("allow") for sentence in problems(allow=rules))


@pytest.mark.row("AZ-03")
def test_rules_are_kept_as_given_and_no_option_means_everyone():
    assert load().allow is None
    assert load(allow={"email": ["ada@example.com"]}).allow == {"email": ["ada@example.com"]}
    assert load({"OIDC_ALLOW": '{"domain": ["example.com"]}'}).allow == {"domain": ["example.com"]}
    assert load({"OIDC_ALLOW": "ada@example.com,@example.org group:admins"}).allow == ["ada@example.com", "@example.org", "group:admins"]
    assert problems({"OIDC_ALLOW": ""}) != ()


def test_authorize_params():
    assert dict(load(authorize_params={"prompt": "login", "max_age": 60}).authorize_params) == {"prompt": "login", "max_age": 60}
    assert dict(load({"OIDC_AUTHORIZE_PARAMS": '{"ui_locales": "de"}'}).authorize_params) == {"ui_locales": "de"}
    for wrong in ({"prompt": "none login"}, {"state": "x"}, {"max_age": -1}, "[]", "x", 42, {1: 2}):
        assert all(sentence.startswith("authorize_params") for sentence in problems(authorize_params=wrong))


@pytest.mark.row("CF-03", "CK-15")
def test_no_convenience_for_development_weakens_an_https_site():
    site = Sites(load(insecure_allow_http=True)).fixed
    assert site is not None
    assert site.secure is True
    for name in ("secure_cookies", "fake_user", "debug", "dev", "cookie_secure"):
        assert problem(**{name: True}).startswith(f"{name}: unknown option")
