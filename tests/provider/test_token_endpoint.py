"""Codes and refresh tokens: each good once, for its own client, and a trap for whoever steals one."""

from base64 import b64encode
from urllib.parse import quote

import pytest

from oidc_middleware.protocol.hashes import id_token_hash
from oidc_middleware.provider import Client, Provider


def refused(response, error="invalid_grant", status=400):
    assert response.status_code == status, response.text
    assert response.json()["error"] == error
    assert set(response.json()) == {"error", "error_description"}
    assert response.headers["cache-control"] == "no-store"
    return True


def test_the_token_response(desk):
    tokens = desk.tokens()
    assert {name: tokens[name] for name in ("token_type", "expires_in", "scope")} == {
        "token_type": "Bearer",
        "expires_in": 3600,
        "scope": "openid profile email",
    }
    assert "refresh_token" not in tokens
    claims = desk.claims(tokens)
    now = int(desk.clock.now())
    assert (claims["iss"], claims["sub"], claims["aud"], claims["azp"], claims["nonce"]) == (desk.provider.issuer, "ada", "web", "web", "the-nonce")
    assert (claims["iat"], claims["exp"]) == (now, now + 300)
    assert claims["at_hash"] == id_token_hash(tokens["access_token"])
    assert not {"auth_time", "name", "email", "groups"} & set(claims)
    assert claims["sid"]


def test_auth_time_when_asked_for(desk):
    assert desk.claims(desk.tokens(max_age=100))["auth_time"] == int(desk.clock.now())
    assert desk.claims(desk.tokens(claims='{"id_token": {"auth_time": {"essential": true}}}'))["auth_time"] == int(desk.clock.now())


def test_claims_in_the_id_token_by_name_or_by_option(desk, make_desk):
    by_name = desk.claims(desk.tokens(claims='{"id_token": {"email": null, "phone_number": {"essential": true}}}'))
    assert (by_name["email"], by_name["phone_number"]) == ("ada@example.com", "+44 20 7946 0001")
    assert "name" not in by_name
    everything = make_desk(id_token_claims=True)
    claims = everything.claims(everything.tokens())
    assert (claims["name"], claims["email"], claims["email_verified"]) == ("Ada Lovelace", "ada@example.com", True)
    assert "groups" not in claims


class TestCode:
    def test_is_good_once_and_its_replay_kills_the_tokens(self, desk):
        code = desk.code(scope="openid offline_access")
        tokens = desk.redeem(code).json()
        assert desk.userinfo(tokens).status_code == 200
        assert refused(desk.redeem(code))
        assert desk.userinfo(tokens).status_code == 401
        assert refused(desk.refresh(tokens["refresh_token"]))
        assert desk.userinfo(desk.tokens()).status_code == 200  # another grant of the same session lives

    def test_expires(self, desk):
        code = desk.code()
        desk.clock.advance(59.9)
        assert desk.redeem(code).status_code == 200
        code = desk.code()
        desk.clock.advance(60)
        assert refused(desk.redeem(code))

    def test_is_for_one_try(self, desk):
        code = desk.code()
        assert refused(desk.redeem(code, code_verifier="x" * 43))
        assert refused(desk.redeem(code))

    @pytest.mark.parametrize(
        "changes",
        [
            {"redirect_uri": None},
            {"redirect_uri": "http://127.0.0.1:8000/other"},
            {"code_verifier": None},
            {"code_verifier": "short"},
            {"code_verifier": "x" * 43},
            {"code_verifier": "x" * 129},
        ],
    )
    def test_is_bound_to_redirect_uri_and_verifier(self, desk, changes):
        assert refused(desk.redeem(desk.code(), **changes))

    def test_a_verifier_for_a_code_without_challenge_means_a_downgrade(self, desk):
        code = desk.code(code_challenge=None, code_challenge_method=None)
        assert refused(desk.redeem(code))
        assert desk.redeem(desk.code(code_challenge=None, code_challenge_method=None), code_verifier=None).status_code == 200

    def test_another_client_cannot_even_spend_it(self, desk, read):
        code = desk.code()
        assert refused(desk.redeem(code, auth=("dev", read.secret)))
        assert desk.redeem(code).status_code == 200

    def test_dies_with_the_session(self, desk):
        code = desk.code()
        desk.sign_in("grace", prompt="login")
        assert refused(desk.redeem(code))

    @pytest.mark.parametrize("code", ["", "x", "é" * 10, "x" * 5_000])
    def test_nonsense(self, desk, code):
        assert desk.redeem(code).status_code == 400


class TestRefresh:
    def test_rotates(self, desk):
        tokens = desk.tokens(scope="openid email offline_access", max_age=100)
        first = desk.claims(tokens)
        desk.clock.advance(4000)
        assert desk.userinfo(tokens).status_code == 401
        renewed = desk.refresh(tokens["refresh_token"]).json()
        assert renewed["refresh_token"] != tokens["refresh_token"]
        claims = desk.claims(renewed)
        assert {name: claims[name] for name in ("iss", "sub", "aud", "azp", "auth_time", "sid")} == {
            name: first[name] for name in ("iss", "sub", "aud", "azp", "auth_time", "sid")
        }
        assert claims["iat"] == first["iat"] + 4000
        assert "nonce" not in claims
        assert desk.userinfo(renewed).json()["email"] == "ada@example.com"

    def test_using_one_again_kills_the_family(self, desk):
        stolen = desk.tokens(scope="openid offline_access")
        renewed = desk.refresh(stolen["refresh_token"]).json()
        assert refused(desk.refresh(stolen["refresh_token"]))
        assert refused(desk.refresh(renewed["refresh_token"]))
        assert desk.userinfo(renewed).status_code == 401
        assert "refresh_token" in desk.tokens(scope="openid offline_access")

    def test_scope_narrows_and_never_widens(self, desk):
        tokens = desk.tokens(scope="openid email profile offline_access")
        narrowed = desk.refresh(tokens["refresh_token"], scope="openid email").json()
        assert narrowed["scope"] == "openid email"
        assert "name" not in desk.userinfo(narrowed).json()
        assert refused(desk.refresh(narrowed["refresh_token"], scope="openid groups"), "invalid_scope")
        assert desk.refresh(narrowed["refresh_token"], scope="openid profile").status_code == 200  # the refusal did not spend it

    def test_outlives_the_session_and_ends_by_itself(self, desk):
        tokens = desk.tokens(scope="openid offline_access")
        desk.sign_in("grace", prompt="login")
        tokens = desk.refresh(tokens["refresh_token"]).json()
        desk.clock.advance(14 * 86_400 + 1)
        assert refused(desk.refresh(tokens["refresh_token"]))

    def test_is_bound_to_its_client(self, desk, read):
        tokens = desk.tokens(scope="openid offline_access")
        assert refused(desk.refresh(tokens["refresh_token"], auth=("dev", read.secret)))
        assert desk.refresh(tokens["refresh_token"]).status_code == 200


class TestClientAuthentication:
    def test_basic_is_form_encoded(self, keys, read):
        secret = "s%+: é/=&" * 4
        provider = Provider(read.issuer, [Client("a b:c%", secret, [read.callback])], keys=keys)
        from oidc_middleware.provider.client_auth import authenticated_client

        def basic(client_id, password):
            return "Basic " + b64encode(f"{client_id}:{password}".encode()).decode()

        good = basic(quote("a b:c%", safe=""), quote(secret, safe=""))
        assert authenticated_client(good, {}, provider.clients).client_id == "a b:c%"
        assert authenticated_client(good.replace("Basic", "bAsIc"), {}, provider.clients)
        from oidc_middleware.provider import RequestRefused

        for wrong in (
            basic("a b:c%", secret),
            basic(quote("a b:c%", safe=""), quote(secret + "x", safe="")),
            "Basic ????",
            "Basic",
            "Bearer x",
            "Basic eA==",
        ):
            with pytest.raises(RequestRefused) as caught:
                authenticated_client(wrong, {}, provider.clients)
            assert caught.value.error == "invalid_client"
            assert secret not in repr(caught.value) + str(caught.value) + caught.value.detail

    def test_post_and_none(self, desk, read):
        assert desk.redeem(desk.code(), auth=None, client_id="web", client_secret=read.secret).status_code == 200
        assert desk.redeem(desk.code(client_id="spa"), auth=None, client_id="spa").status_code == 200

    @pytest.mark.parametrize(
        "form",
        [
            {},
            {"client_id": "web"},
            {"client_id": "web", "client_secret": "wrong"},
            {"client_id": "nobody"},
            {"client_id": "web", "client_secret": ""},
        ],
    )
    def test_refused_in_the_body(self, desk, form):
        code = desk.code()
        response = desk.redeem(code, auth=None, **form)
        assert refused(response, "invalid_client", 401)
        assert "www-authenticate" not in response.headers
        assert desk.redeem(code).status_code == 200  # the code was not spent

    @pytest.mark.parametrize("auth", [("web", "wrong"), ("nobody", "wrong"), ("spa", ""), ("web", "")])
    def test_refused_in_the_header(self, desk, auth):
        response = desk.redeem(desk.code(), auth=auth)
        assert refused(response, "invalid_client", 401)
        assert response.headers["www-authenticate"].startswith("Basic ")

    def test_one_way_only(self, desk, read):
        assert refused(desk.redeem(desk.code(), client_secret=read.secret), "invalid_request")
        assert refused(desk.redeem(desk.code(), client_id="dev"), "invalid_request")
        assert desk.redeem(desk.code(), client_id="web").status_code == 200
        assertion = {"client_assertion": "x", "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}
        assert refused(desk.redeem(desk.code(), auth=None, client_id="web", **assertion), "invalid_client", 401)

    def test_only_the_registered_method(self, desk, keys, read):
        for method, other in (("client_secret_basic", "client_secret_post"), ("client_secret_post", "client_secret_basic")):
            desk.provider.clients["web"] = Client("web", read.secret, [read.callback], token_endpoint_auth_method=method)
            ways = {"client_secret_basic": {}, "client_secret_post": {"auth": None, "client_id": "web", "client_secret": read.secret}}
            assert refused(desk.redeem(desk.code(), **ways[other]), "invalid_client", 401)
            assert desk.redeem(desk.code(), **ways[method]).status_code == 200


def test_what_is_no_token_request(desk, read):
    auth = ("web", read.secret)
    assert refused(desk.browser.post("/token", data={"code": "x"}, auth=auth), "invalid_request")
    assert refused(desk.browser.post("/token", data={"grant_type": "password"}, auth=auth), "unsupported_grant_type")
    assert refused(desk.browser.post("/token", data={"grant_type": "authorization_code"}, auth=auth), "invalid_request")
    assert refused(desk.browser.post("/token", data={"grant_type": "refresh_token"}, auth=auth), "invalid_request")
    assert refused(desk.browser.post("/token", json={"grant_type": "authorization_code"}, auth=auth), "invalid_request")
    assert refused(desk.browser.post("/token?code=x", data={"grant_type": "authorization_code"}, auth=auth), "invalid_request")
    assert refused(desk.redeem([desk.code(), "x"]), "invalid_request")
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for body in (b"a=" + b"x" * 70_000, b"a=%zz", b"a=\xff", b"a=%ff"):
        assert refused(desk.browser.post("/token", content=body, headers=form, auth=auth), "invalid_request")
    assert desk.browser.get("/token").status_code == 405


@pytest.mark.parametrize("alg", ["RS256", "ES256", "EdDSA"])
def test_signs_as_the_client_is_registered(desk, read, alg):
    desk.provider.clients["web"] = Client("web", read.secret, [read.callback], id_token_signed_response_alg=alg)
    tokens = desk.tokens()
    claims = desk.claims(tokens)
    assert claims["at_hash"] == id_token_hash(tokens["access_token"], alg)


def test_issued_things_are_bounded(desk, monkeypatch):
    from oidc_middleware.provider.memory import Drawer

    drawer = Drawer(desk.clock, 10, capacity=3)
    handles = [drawer.put(number) for number in range(5)]
    assert [drawer.get(handle) for handle in handles] == [None, None, 2, 3, 4]
    assert not any(handle in repr(vars(drawer)) for handle in handles)
    desk.clock.advance(11)
    assert [drawer.get(handle) for handle in handles] == [None] * 5
