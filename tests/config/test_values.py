"""Every option's reader, from both sides."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from tests.config.options import BASE, KEY, LONG_SECRET, OTHER_KEY, load, problem


def test_the_defaults():
    settings = load()
    assert settings.prefix == "/oidc"
    assert settings.scopes == ("openid", "profile", "email")
    assert settings.id_token_algs == ("RS256",)
    assert (settings.session_lifetime, settings.idle_timeout, settings.login_timeout, settings.leeway) == (28800.0, 3600.0, 600.0, 60.0)
    assert (settings.public, settings.allow, settings.store, settings.keep_tokens) == ((), None, None, False)
    assert settings.response_mode == "query"
    assert settings.userinfo == "auto"
    assert settings.session_claims is None
    assert settings.trust_env is True


@pytest.mark.row("DI-01", "DI-02")
@pytest.mark.parametrize(
    "issuer",
    [
        "https://login.example.com",
        "https://login.example.com/",
        "https://LOGIN.example.com:443/realms/A",
        "http://localhost:9000",
        "http://127.0.0.1:9000/x",
    ],
)
def test_the_issuer_is_kept_exactly(issuer):
    assert load(issuer=issuer).issuer == issuer


@pytest.mark.row("CF-01", "DI-02")
@pytest.mark.parametrize(
    "issuer",
    [
        "",
        " https://login.example.com",
        "https://login.example.com\n",
        "http://login.example.com",
        "http://localhost@evil.example",
        "http://localhost:80@evil.example",
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example",
        "http://127.1",
        "http://[::ffff:127.0.0.1]",
        "https://login.example.com?x=1",
        "https://login.example.com#x",
        "https://login.example.com/.well-known/openid-configuration",
        "login.example.com",
        "file:///etc/passwd",
        "https://",
        "https://login.exämple.com",
        42,
        ["https://login.example.com"],
    ],
)
def test_a_doubtful_issuer_is_a_problem(issuer):
    assert problem(issuer=issuer).startswith("issuer: ")


@pytest.mark.row("CF-01")
def test_plain_http_needs_the_long_name():
    settings = load(issuer="http://login.internal", base_url="http://dash.internal", insecure_allow_http=True)
    assert settings.issuer == "http://login.internal"
    assert settings.insecure_allow_http is True
    assert problem(base_url="http://dash.internal").startswith("base_url: ")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://dash.example.com/", "https://dash.example.com"),
        ("https://Dash.Example.com:443/a/b/", "https://dash.example.com/a/b"),
        ("https://dash.example.com:8443", "https://dash.example.com:8443"),
        ("http://localhost:8050", "http://localhost:8050"),
        ("http://[::1]:8050/app", "http://[::1]:8050/app"),
    ],
)
def test_base_url_takes_its_canonical_form(given, kept):
    assert load(base_url=given).base_url == kept


@pytest.mark.row("CF-01")
@pytest.mark.parametrize("path", ["?x", "?", "/a?x=1", "#f", "//evil", "/a//b", "/a/../b", "/a/.", "/a%2fb", "/a;b", "/a\\b"])
def test_base_url_with_anything_else_is_a_problem(path):
    assert problem(base_url=f"https://dash.example.com{path}").startswith("base_url: ")


@pytest.mark.parametrize(("given", "kept"), [("/oidc", "/oidc"), ("/oidc/", "/oidc"), ("/_auth/v1.0", "/_auth/v1.0")])
def test_prefix(given, kept):
    assert load(prefix=given).prefix == kept


@pytest.mark.row("CF-01")
@pytest.mark.parametrize("prefix", ["", "/", "oidc", "//oidc", "/oidc//x", "/../oidc", "/.", "/o%69dc", "/o idc", "/o?x", "/o;x", "/öidc", None])
def test_a_doubtful_prefix_is_a_problem(prefix):
    if prefix is None:
        assert load(prefix=None).prefix == "/oidc"
    else:
        assert problem(prefix=prefix).startswith("prefix: ")


@pytest.mark.row("FD-04")
@pytest.mark.parametrize("secret", ["a:b%c+d", "schlüssel-Ö", "x y z 42", "q"])
def test_any_real_client_secret_is_kept_as_it_is(secret):
    assert load(client_secret=secret).client_secret == secret


@pytest.mark.row("FD-04", "CK-17", "CF-01")
@pytest.mark.parametrize(
    "secret",
    ["", " ", "…", "secret", "Secret123", "changeme", "change-me-please", "your-client-secret", "<id>", "${SECRET}", "xxxx", "a\nb", b"x"],
)
def test_an_empty_or_copied_client_secret_is_a_problem(secret):
    assert problem(client_secret=secret).startswith("client_secret: ")


@pytest.mark.row("FD-04")
def test_an_empty_variable_is_an_empty_secret_not_none():
    assert problem({"OIDC_CLIENT_SECRET": ""}, client_secret=...).startswith("client_secret: is empty")


@pytest.mark.row("CK-16")
def test_keys_keep_their_order_and_a_string_is_one_key():
    assert load(secret_key=KEY).secret_keys == (KEY,)
    assert load(secret_key=[OTHER_KEY, KEY]).secret_keys == (OTHER_KEY, KEY)
    assert load({"OIDC_SECRET_KEY": f'["{OTHER_KEY}", "{KEY}"]'}, secret_key=...).secret_keys == (OTHER_KEY, KEY)
    assert load({"OIDC_SECRET_KEY": KEY + ", and more"}, secret_key=...).secret_keys == (KEY + ", and more",)


@pytest.mark.row("CK-16", "CK-17")
@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("", "is empty"),
        ([], "is empty"),
        ("secret", "placeholder"),
        ("changeme" * 4, "placeholder"),
        ("***", "shorter than 32 bytes"),
        (KEY[:31], "shorter than 32 bytes"),
        (list(KEY), "shorter than 32 bytes"),
        ([KEY, "short"], "key 2 is shorter"),
        ([KEY, None], "key 2 must be a string"),
        (KEY.encode(), "must be a string"),
        (BASE["client_secret"], "shorter than 32 bytes"),
    ],
)
def test_a_weak_key_is_a_problem(key, reason):
    sentence = problem(secret_key=key)
    assert sentence.startswith("secret_key: ")
    assert reason in sentence


@pytest.mark.parametrize("key", ["0123456789abcdef" * 2, "a" * 32, "x" * 32])
def test_any_32_bytes_are_a_key(key):
    """How random a key is cannot be told from the key; fixed ones are what tests are made of."""
    assert load(secret_key=key).secret_keys == (key,)


@pytest.mark.row("CK-17")
def test_the_key_is_not_the_client_secret():
    assert problem(client_secret=LONG_SECRET, secret_key=[KEY, LONG_SECRET]).startswith("secret_key: must differ from client_secret")


@pytest.mark.row("F-PR-04")
def test_a_missing_key_is_derived_alike_in_every_worker_or_a_problem():
    first, second = load(client_secret=LONG_SECRET, secret_key=...), load(client_secret=LONG_SECRET, secret_key=...)
    assert first.secret_keys == second.secret_keys
    assert len(first.secret_keys[0]) >= 32
    assert LONG_SECRET not in first.secret_keys[0]
    assert load(client_secret=LONG_SECRET[::-1], secret_key=...).secret_keys != first.secret_keys
    assert problem(client_secret=LONG_SECRET[:31], secret_key=...).startswith("secret_key: is required")
    assert problem(client_secret=..., secret_key=...).startswith("secret_key: is required")


@pytest.mark.row("CF-01")
@pytest.mark.parametrize(
    "value",
    ["300x", "", "1e3", "-1", "nan", "inf", "0x10", "٣", True, None, float("nan"), float("inf"), -1, 300.5, [60], pytest.param(10**400, id="huge")],
)
def test_a_leeway_that_is_no_number_of_seconds_in_bounds_is_a_problem(value):
    if value is None:
        assert load(leeway=None).leeway == 60.0
    else:
        assert problem(leeway=value).startswith("leeway: must be ")


@pytest.mark.parametrize(("value", "kept"), [(0, 0.0), (300, 300.0), ("300", 300.0), (" 1.5 ", 1.5), (2.25, 2.25)])
def test_leeway(value, kept):
    assert load(leeway=value).leeway == kept


@pytest.mark.parametrize("name", ["session_lifetime", "idle_timeout", "login_timeout"])
def test_durations_have_bounds(name):
    assert getattr(load(**{name: 120}), name) == 120.0
    assert problem(**{name: 0}).startswith(f"{name}: must be between")
    assert problem(**{name: 10**9}).startswith(f"{name}: must be between")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("openid email", ("openid", "email")),
        ("openid,email", ("openid", "email")),
        ('["openid", "email"]', ("openid", "email")),
        (["openid", "email", "openid"], ("openid", "email")),
        (("openid",), ("openid",)),
    ],
)
def test_lists_as_text_or_as_lists(given, kept):
    assert load(scopes=given).scopes == kept
    if isinstance(given, str):
        assert load({"OIDC_SCOPES": given}).scopes == kept


@pytest.mark.parametrize("given", ["email", "", [], '["openid"', '{"openid": 1}', [1], 42, ["openid", 'e"mail'], ["openid", ""]])
def test_doubtful_scopes_are_a_problem(given):
    assert problem(scopes=given).startswith("scopes: ")


@pytest.mark.parametrize("value", [True, "true", "1", "Yes", " on "])
def test_switches(value):
    assert load(require_pkce=value).require_pkce is True
    assert load(trust_env={True: False}.get(value, "off")).trust_env is False


def test_every_word_for_a_switch_and_its_opposite():
    for value in (True, "true", "TRUE", "1", "yes", "on"):
        assert load(require_pkce=value).require_pkce is True, value
    for value in (False, "false", "False", "0", "no", "off"):
        assert load(trust_env=value).trust_env is False, value


@pytest.mark.parametrize("value", ["", "maybe", 1, 0, 2, "None", []])
def test_a_doubtful_switch_is_a_problem(value):
    assert problem(insecure_allow_http=value) == "insecure_allow_http: must be true or false"


def test_proxies_become_networks():
    settings = load(trusted_proxies="10.0.0.0/8, 192.0.2.1 ::1")
    assert settings.trusted_proxies == (ip_network("10.0.0.0/8"), ip_network("192.0.2.1/32"), ip_network("::1/128"))


@pytest.mark.row("CF-01")
@pytest.mark.parametrize("value", ["*", "0.0.0.0/0", "::/0", "10.0.0.1/8", "proxy.internal", [10]])
def test_doubtful_proxies_are_a_problem(value):
    assert problem(trusted_proxies=value).startswith("trusted_proxies: ")


def test_hosts_and_origins():
    settings = load(allowed_hosts="Dash.Example.com [::1]:8050", websocket_origins=["https://Front.example.com:443/", "http://localhost:3000"])
    assert settings.allowed_hosts == ("dash.example.com", "[::1]:8050")
    assert settings.websocket_origins == ("https://front.example.com", "http://localhost:3000")


@pytest.mark.parametrize("value", ["*", "*.example.com", "https://dash.example.com", "a/b", "user@host", "host:port"])
def test_doubtful_hosts_are_a_problem(value):
    assert problem(allowed_hosts=value).startswith("allowed_hosts: entry 1 ")


@pytest.mark.parametrize("value", ["*", "null", "https://a.example/path", "http://a.example", "https://a.example?x", "a.example"])
def test_doubtful_origins_are_a_problem(value):
    assert problem(websocket_origins=value).startswith("websocket_origins: entry 1 ")


def test_title():
    assert load(title="").title == ""
    assert load(title="Ada's dashboards").title == "Ada's dashboards"
    assert problem(title="x" * 101).startswith("title: ")
    assert problem(title="a\x1bb").startswith("title: ")


def test_http_client():
    class Client:
        def send(self): ...

    client = Client()
    assert load(http_client=client).http_client is client
    assert problem(http_client=object()).startswith("http_client: ")
    assert problem({"OIDC_HTTP_CLIENT": "httpx"}).startswith("http_client: ")


def test_client_id():
    assert load(client_id="https://dash.example.com/a b").client_id == "https://dash.example.com/a b"
    for wrong in ("dåsh", "", " dash", "da\tsh", 7):
        assert problem(client_id=wrong).startswith("client_id: ")


def test_session_claims_and_audiences():
    settings = load(session_claims="name email", extra_audiences=["api"])
    assert settings.session_claims == ("name", "email")
    assert settings.extra_audiences == ("api",)
    assert load(session_claims=[]).session_claims == ()
    assert problem(session_claims={"name": 1}).startswith("session_claims: ")


@pytest.mark.parametrize("value", [{1: "x"}, {1: "x", "prompt": "login"}, ["prompt"], "[]", 7])
def test_names_and_values_have_names(value):
    assert problem(authorize_params=value) == "authorize_params: must be a mapping from names to values"
    assert dict(load(authorize_params='{"prompt": "login"}').authorize_params) == {"prompt": "login"}
