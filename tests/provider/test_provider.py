"""The provider as a whole: metadata, keys, headers, configuration, and where it listens."""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

import oidc_middleware.provider as package
from oidc_middleware.errors import CODES, ConfigError, OIDCError
from oidc_middleware.provider import SAMPLE_USERS, Client, Provider, RequestRefused, SampleUser, serve, serving
from oidc_middleware.provider.__main__ import main
from oidc_middleware.provider.server import address, listen


def test_discovery(desk, read):
    document = desk.browser.get("/.well-known/openid-configuration").json()
    assert document == desk.provider.metadata
    assert document["issuer"] == read.issuer
    assert all(document[name].startswith(read.issuer + "/") for name in document if name.endswith(("_endpoint", "_uri")))
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert document["authorization_response_iss_parameter_supported"] is True
    assert document["request_uri_parameter_supported"] is False  # left out, it would mean True
    assert set(document["id_token_signing_alg_values_supported"]) == {"RS256", "ES256", "EdDSA"}


def test_an_issuer_with_a_path(keys):
    import httpx

    provider = Provider("https://login.example.com/tenant/", [Client("web", "secret", ["https://app.example.com/cb"])], keys=keys)
    transport = httpx.ASGITransport(provider.app)

    async def call():
        async with httpx.AsyncClient(transport=transport, base_url="https://login.example.com") as client:
            found = (await client.get("/tenant/.well-known/openid-configuration")).json()
            assert found["issuer"] == "https://login.example.com/tenant/"
            assert found["authorization_endpoint"] == "https://login.example.com/tenant/authorize"
            page = await client.get("/tenant/authorize?client_id=web&redirect_uri=https://app.example.com/cb&response_type=code&scope=openid")
            assert 'action="/tenant/sign-in"' in page.text
            cookie = page.headers["set-cookie"]
            assert cookie.startswith("__Host-provider_browser_")
            assert "Secure" in cookie
            assert "HttpOnly" in cookie
            assert (await client.get("/authorize")).status_code == 404

    import anyio

    anyio.run(call)


def test_keys_rotate_and_the_last_ones_stay(make_desk):
    desk = make_desk(keys=None)

    def published():
        return desk.browser.get("/jwks").json()["keys"]

    before = published()
    assert sorted((key["kty"], key["alg"], key["use"]) for key in before) == [
        ("EC", "ES256", "sig"),
        ("OKP", "EdDSA", "sig"),
        ("RSA", "RS256", "sig"),
    ]
    assert not {"d", "p", "q", "dp", "dq", "qi", "k"} & {name for key in before for name in key}
    old = desk.tokens()["id_token"]
    desk.provider.rotate_keys()
    after = published()
    assert len(after) == 6
    assert not {key["kid"] for key in before} & {key["kid"] for key in after[:3]}
    assert desk.claims(desk.tokens())["sub"] == desk.provider.keys.verify(old)["sub"] == "ada"
    desk.provider.rotate_keys()
    desk.provider.rotate_keys()
    assert len(published()) == 9
    assert desk.provider.keys.verify(old) is None
    current = desk.tokens()["id_token"]
    desk.provider.keys.forget_retired()
    assert len(published()) == 3
    assert desk.provider.keys.verify(current)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/.well-known/openid-configuration"),
        ("GET", "/jwks"),
        ("GET", "/authorize"),
        ("GET", "/authorize?ok"),
        ("POST", "/sign-in"),
        ("POST", "/consent"),
        ("POST", "/token"),
        ("GET", "/userinfo"),
        ("GET", "/logout"),
        ("POST", "/logout/confirm"),
        ("GET", "/nowhere"),
        ("DELETE", "/token"),
    ],
)
def test_strict_headers_on_everything(desk, method, path):
    response = desk.authorize() if path == "/authorize?ok" else desk.browser.request(method, path)
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["x-content-type-options"] == "nosniff"
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    if response.headers.get("content-type", "").startswith("text/html"):
        assert "<script" not in response.text
        assert "http-equiv" not in response.text
        assert " style=" not in response.text


def test_a_fault_of_ours_tells_nothing(desk, monkeypatch):
    import anyio
    import httpx

    monkeypatch.setattr(desk.provider.keys, "jwks", lambda: 1 / 0)

    async def call():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(desk.provider.app, raise_app_exceptions=False), base_url="http://x") as client:
            return await client.get("/jwks")

    response = anyio.run(call)
    assert response.status_code == 500
    assert "division" not in response.text
    assert response.headers["cache-control"] == "no-store"


def test_no_secret_in_any_log_or_representation(desk, caplog, read):
    caplog.set_level(1)
    code = desk.code(scope="openid offline_access")
    tokens = desk.redeem(code).json()
    desk.redeem(code)
    secrets = [read.secret, code, tokens["access_token"], tokens["refresh_token"], tokens["id_token"], read.verifier]
    state = desk.provider._state
    shown = caplog.text + repr(desk.provider) + repr(desk.provider.clients) + repr(vars(state)) + repr(list(state.codes._things.values()))
    assert not [secret for secret in secrets if secret in shown]


CONFIGURATION = {
    "issuer http": ({"issuer": "http://login.example.com"}, "issuer"),
    "issuer look-alike": ({"issuer": "http://localhost.evil.example"}, "issuer"),
    "issuer query": ({"issuer": "https://login.example.com/?x"}, "issuer"),
    "issuer fragment": ({"issuer": "https://login.example.com/#x"}, "issuer"),
    "issuer user": ({"issuer": "https://a@login.example.com"}, "issuer"),
    "issuer none": ({"issuer": None}, "issuer"),
    "option": ({"consents": True}, "consents"),
    "lifetime": ({"code_lifetime": 0}, "code_lifetime"),
    "lifetime type": ({"session_lifetime": "8h"}, "session_lifetime"),
    "switch": ({"consent": "yes"}, "consent"),
    "pkce": ({"require_pkce": True}, "require_pkce"),
    "users twice": ({"users": [SampleUser("a"), SampleUser("a")]}, "users"),
    "client twice": ({"clients": [Client("a", redirect_uris=["https://x.example"])] * 2}, "client_id"),
    "client key": ({"clients": [{"client_id": "a", "secret": "x"}]}, "'secret'"),
    "client id": ({"clients": [{"redirect_uris": ["https://x.example"]}]}, "client_id"),
    "client uris": ({"clients": [{"client_id": "a"}]}, "redirect_uris"),
    "client uri text": ({"clients": [{"client_id": "a", "redirect_uris": "https://x.example"}]}, "redirect_uris"),
    "client uri http": ({"clients": [{"client_id": "a", "redirect_uris": ["http://x.example/"]}]}, "insecure_allow_http"),
    "client uri fragment": ({"clients": [{"client_id": "a", "redirect_uris": ["https://x.example/#"]}]}, "fragment"),
    "client uri script": ({"clients": [{"client_id": "a", "redirect_uris": ["javascript:alert(1)"]}]}, "redirect_uris"),
    "client uri user": ({"clients": [{"client_id": "a", "redirect_uris": ["https://a@x.example/"]}]}, "redirect_uris"),
    "client alg": (
        {"clients": [{"client_id": "a", "redirect_uris": ["https://x.example"], "id_token_signed_response_alg": "none"}]},
        "signed_response_alg",
    ),
    "client method": ({"clients": [{"client_id": "a", "redirect_uris": ["https://x.example"], "token_endpoint_auth_method": "tls"}]}, "auth_method"),
    "client public": (
        {"clients": [{"client_id": "a", "redirect_uris": ["https://x.example"], "token_endpoint_auth_method": "client_secret_post"}]},
        "secret",
    ),
    "client secret empty": ({"clients": [{"client_id": "a", "redirect_uris": ["https://x.example"], "client_secret": ""}]}, "client_secret"),
}


@pytest.mark.parametrize(("changes", "named"), CONFIGURATION.values(), ids=CONFIGURATION)
def test_configuration_problems_name_their_setting(keys, read, changes, named):
    good = {"issuer": read.issuer, "clients": [Client("web", "secret", [read.callback])], "keys": keys}
    assert Provider(**good).issuer == read.issuer
    with pytest.raises(ConfigError) as caught:
        Provider(**{**good, **changes})
    assert named in str(caught.value)


def test_all_problems_at_once(keys):
    with pytest.raises(ConfigError) as caught:
        Provider("http://login.example.com", [{"client_id": "a"}, {"x": 1}], keys=keys, consents=1, code_lifetime=-1)
    assert len(caught.value.problems) == 5


def test_an_insecure_uri_needs_the_long_name():
    assert Client("a", redirect_uris=["http://app.internal/cb"], insecure_allow_http=True).accepts_redirect_uri("http://app.internal/cb")


@pytest.mark.parametrize("claims", [{"iss": "x"}, {"sub": "x"}, {"auth_time": 1}, {"sid": "x"}])
def test_a_user_cannot_bring_protocol_claims(claims):
    with pytest.raises(ConfigError, match="users"):
        SampleUser("ada", claims=claims)


def test_the_sample_users(desk):
    people = {user.sub: user for user in SAMPLE_USERS}
    assert set(desk.provider.users) == set(people)
    assert list(people["ada"].groups) == ["admins", "engineering"]
    assert list(people["grace"].groups) == ["engineering"]
    assert (list(people["alan"].groups), people["alan"].email_verified) == (["analysts"], False)
    assert "picture" not in {claim for user in SAMPLE_USERS for claim in user.all_claims}


def test_users_and_clients_may_change_while_it_runs(desk):
    desk.provider.users["emmy"] = SampleUser("emmy", "Emmy Noether")
    assert "Emmy Noether" in desk.authorize().text
    assert desk.claims(desk.tokens("emmy"))["sub"] == "emmy"
    del desk.provider.clients["web"]
    assert desk.authorize().status_code == 400


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com", "", "127.0.0.1.evil.example", "127.1"])
def test_listens_on_this_machine_only(desk, host):
    with pytest.raises(ConfigError, match="host"):
        serve(desk.provider, host=host)
    with pytest.raises(ConfigError, match="host"), serving(desk.provider, host=host):
        pytest.fail("it listens")


def test_serves_over_a_socket(keys, read):
    listening = listen()
    provider = Provider(address(listening), [Client("web", read.secret, [read.callback])], keys=keys)
    with serving(provider, sock=listening) as base:
        assert base == provider.issuer
        with urllib.request.urlopen(f"{base}/.well-known/openid-configuration", timeout=10) as response:
            assert json.load(response)["issuer"] == base
        foreign = urllib.request.Request(f"{base}/jwks", headers={"Host": "rebound.evil.example"})
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(foreign, timeout=10)
        assert caught.value.code == 400
        caught.value.close()
    with pytest.raises(OSError):
        urllib.request.urlopen(f"{base}/jwks", timeout=2)


def test_serves_over_ipv6(keys, read):
    try:
        listening = listen("::1")
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    provider = Provider(address(listening), [Client("web", read.secret, [read.callback])], keys=keys)
    with serving(provider, sock=listening) as base, urllib.request.urlopen(f"{base}/jwks", timeout=10) as response:
        assert base.startswith("http://[::1]:")
        assert response.status == 200


def test_the_command_says_where_it_is():
    command = [sys.executable, "-m", "oidc_middleware.provider", "--port", "0", "--client-id", "dash"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(package.__file__).parents[2]) as process:
        try:
            said = dict(line.strip().split("=", 1) for line in [process.stdout.readline() for _ in range(5)] if "OIDC_" in line)
            assert said["OIDC_CLIENT_ID"] == "dash"
            assert len(said["OIDC_CLIENT_SECRET"]) >= 32
            with urllib.request.urlopen(said["OIDC_ISSUER"] + "/.well-known/openid-configuration", timeout=10) as response:
                assert json.load(response)["issuer"] == said["OIDC_ISSUER"]
        finally:
            process.terminate()


@pytest.mark.parametrize(("arguments", "named"), [(["--host", "0.0.0.0"], "host"), (["--redirect-uri", "http://evil.example/"], "redirect_uris")])
def test_the_command_refuses(capsys, arguments, named):
    assert main(["--port", "0", *arguments]) == 2
    shown = capsys.readouterr()
    assert named in shown.err
    assert shown.out == ""


def test_a_taken_port_is_told(capsys):
    with listen() as taken:
        assert main(["--port", str(taken.getsockname()[1])]) == 1
    assert "port" in capsys.readouterr().err


def test_exports():
    assert all(getattr(package, name) is not None for name in package.__all__)
    assert not hasattr(package, "nonsense")


def test_a_refusal_is_one_of_our_errors():
    error = RequestRefused("invalid_scope", "The scope is wrong.")
    assert isinstance(error, OIDCError)
    assert (error.code, error.status) == ("request_refused", CODES["request_refused"][0])
    assert str(error) == "invalid_scope: The scope is wrong."
