"""Discovery: catalogue 1.7 (DI), MX-07, ID-33."""

import pytest

from oidc_middleware.errors import OIDCError, ProviderError, Unavailable
from oidc_middleware.protocol.messages import HttpResponse
from oidc_middleware.protocol.metadata import ProviderMetadata, discovery_request, process_discovery
from tests.protocol.forge import ABSENT, ISSUER, changed, json_response

DOCUMENT = {
    "issuer": ISSUER,
    "authorization_endpoint": f"{ISSUER}/authorize",
    "token_endpoint": f"{ISSUER}/token",
    "jwks_uri": f"{ISSUER}/jwks",
    "userinfo_endpoint": f"{ISSUER}/userinfo",
    "end_session_endpoint": f"{ISSUER}/logout",
    "revocation_endpoint": f"{ISSUER}/revoke",
    "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
    "code_challenge_methods_supported": ["plain", "S256"],
    "claims_supported": ["sub", "email"],
    "scopes_supported": ["openid"],
    "authorization_response_iss_parameter_supported": True,
    "backchannel_logout_supported": True,
    "backchannel_logout_session_supported": True,
    "id_token_signing_alg_values_supported": ["none", "HS256"],
}
FIELDS = {
    "token_endpoint_auth_methods_supported": ("token_endpoint_auth_methods", ("client_secret_basic",)),
    "code_challenge_methods_supported": ("code_challenge_methods", ()),
    "claims_supported": ("claims_supported", ()),
    "scopes_supported": ("scopes_supported", ()),
    "authorization_response_iss_parameter_supported": ("iss_parameter_supported", False),
    "backchannel_logout_supported": ("backchannel_logout_supported", False),
    "backchannel_logout_session_supported": ("backchannel_logout_session_supported", False),
    "userinfo_endpoint": ("userinfo_endpoint", None),
    "end_session_endpoint": ("end_session_endpoint", None),
    "revocation_endpoint": ("revocation_endpoint", None),
}


def discover(**changes) -> ProviderMetadata:
    return process_discovery(json_response(changed(DOCUMENT, changes)), issuer=ISSUER)


def assert_refused(code: str, response: HttpResponse, issuer: str = ISSUER) -> OIDCError:
    with pytest.raises(OIDCError) as caught:
        process_discovery(response, issuer=issuer)
    assert caught.value.code == code
    assert discover().issuer == ISSUER
    return caught.value


@pytest.mark.parametrize(
    ("issuer", "url"),
    [
        ("https://op.example", "https://op.example/.well-known/openid-configuration"),
        ("https://op.example/", "https://op.example/.well-known/openid-configuration"),
        ("https://op.example/realms/x/", "https://op.example/realms/x/.well-known/openid-configuration"),
    ],
)
@pytest.mark.row("DI-05")
def test_the_request_follows_discovery_4_1(issuer, url):
    request = discovery_request(issuer)
    assert (request.purpose, request.method, request.url, request.body) == ("discovery", "GET", url, b"")
    assert request.headers["accept-encoding"] == "identity"
    assert request.max_bytes == 1_000_000


def test_a_full_document_is_understood():
    metadata = discover()
    assert metadata == ProviderMetadata(
        issuer=ISSUER,
        authorization_endpoint=f"{ISSUER}/authorize",
        token_endpoint=f"{ISSUER}/token",
        jwks_uri=f"{ISSUER}/jwks",
        userinfo_endpoint=f"{ISSUER}/userinfo",
        end_session_endpoint=f"{ISSUER}/logout",
        revocation_endpoint=f"{ISSUER}/revoke",
        token_endpoint_auth_methods=("client_secret_post", "private_key_jwt"),
        code_challenge_methods=("plain", "S256"),
        claims_supported=("sub", "email"),
        scopes_supported=("openid",),
        iss_parameter_supported=True,
        backchannel_logout_supported=True,
        backchannel_logout_session_supported=True,
    )
    # Endpoints on other hosts are ordinary (Google).
    assert discover(token_endpoint="https://oauth2.example.net/token").token_endpoint == "https://oauth2.example.net/token"


@pytest.mark.parametrize(("field", "attribute", "default"), [(field, *rest) for field, rest in FIELDS.items()])
def test_optional_fields_have_the_defaults_of_the_specification(field, attribute, default):
    assert getattr(discover(**{field: ABSENT}), attribute) == default


@pytest.mark.row("DI-10")
@pytest.mark.parametrize("value", [None, 1, 1.5, "x y", {}, {"a": 1}, [None, 7], [[]], False, True])
@pytest.mark.parametrize("field", [field for field in FIELDS if field.endswith("_supported")])
def test_wrong_types_of_optional_fields_count_as_absent(field, value):
    attribute, default = FIELDS[field]
    if value is True and default is False:
        assert getattr(discover(**{field: value}), attribute) is True
    else:
        assert getattr(discover(**{field: value}), attribute) == default


@pytest.mark.row("DI-10")
@pytest.mark.parametrize("value", [None, 1, {}, [], False, ""])
def test_wrong_types_of_optional_endpoints_count_as_absent(value):
    metadata = discover(userinfo_endpoint=value, end_session_endpoint=value, revocation_endpoint=value)
    assert (metadata.userinfo_endpoint, metadata.end_session_endpoint, metadata.revocation_endpoint) == (None, None, None)


def test_lists_keep_their_usable_items():
    assert discover(scopes_supported=["openid", 1, None, "email"]).scopes_supported == ("openid", "email")


@pytest.mark.row("DI-01", "MX-07", "MX-04", "ID-33")
@pytest.mark.parametrize(
    "issuer",
    ["https://attacker.example", f"{ISSUER}/", "https://Login.example.com", f"{ISSUER}:443", "http://login.example.com", f"{ISSUER}?",
     f"{ISSUER}/{{tenantid}}",
     f"{ISSUER}INVALID", "", "https://login.example.com\u200b"],
)  # fmt: skip
def test_another_issuer_is_refused(issuer):
    error = assert_refused("metadata_issuer_mismatch", json_response(DOCUMENT | {"issuer": issuer}))
    assert isinstance(error, ProviderError)
    assert ISSUER in error.detail


@pytest.mark.row("DI-01")
def test_the_configured_issuer_is_not_normalised_either():
    assert_refused("metadata_issuer_mismatch", json_response(DOCUMENT), issuer=f"{ISSUER}/")
    document = DOCUMENT | {"issuer": f"{ISSUER}/"}
    assert process_discovery(json_response(document), issuer=f"{ISSUER}/").issuer == f"{ISSUER}/"


@pytest.mark.row("DI-01", "DI-10")
@pytest.mark.parametrize("value", [ABSENT, None, 1, [ISSUER], {"a": ISSUER}, True])
def test_an_issuer_that_is_no_text_is_refused(value):
    assert_refused("metadata_invalid", json_response(changed(DOCUMENT, {"issuer": value})))


@pytest.mark.row("DI-10")
@pytest.mark.parametrize("value", [ABSENT, None, 1, ["https://login.example.com/x"], {}, True, ""])
@pytest.mark.parametrize("field", ["authorization_endpoint", "token_endpoint", "jwks_uri"])
def test_required_endpoints_are_required(field, value):
    error = assert_refused("metadata_invalid", json_response(changed(DOCUMENT, {field: value})))
    assert field in error.detail


@pytest.mark.row("DI-02", "JW-05")
@pytest.mark.parametrize(
    "url",
    ["http://login.example.com/x", "file:///etc/passwd", "ftp://login.example.com/", "/relative", "https://u:p@login.example.com/",
     "https://login.example.com/#f",
     "http://localhost@evil.example/"],
)  # fmt: skip
@pytest.mark.parametrize("field", [name for name in DOCUMENT if name.endswith(("_endpoint", "_uri"))])
def test_unsafe_endpoints_are_refused(field, url):
    error = assert_refused("metadata_endpoint_insecure", json_response(DOCUMENT | {field: url}))
    assert field in error.detail


@pytest.mark.row("DI-02")
def test_http_is_for_loopback_or_the_explicit_switch():
    local = {name: "http://127.0.0.1:9000/x" for name in DOCUMENT if name.endswith(("_endpoint", "_uri"))}
    assert discover(**local).token_endpoint == "http://127.0.0.1:9000/x"
    remote = json_response(DOCUMENT | {"token_endpoint": "http://login.internal/token"})
    assert_refused("metadata_endpoint_insecure", remote)
    assert process_discovery(remote, issuer=ISSUER, allow_insecure_http=True).token_endpoint == "http://login.internal/token"


@pytest.mark.row("DI-04", "F-OP-08", "F-OP-10")
@pytest.mark.parametrize(
    "response",
    [
        json_response(b""),
        json_response(b"<html>Sign in</html>"),
        json_response(b'{"issuer": "https://login.exam'),
        json_response(b"\xef\xbb\xbf{}"),
        json_response([DOCUMENT]),
        json_response(b'{"issuer": NaN}'),
        json_response('{"issuer":"é"}'.encode("latin-1")),
        json_response('{"issuer":"x"}'.encode("utf-16")),
        json_response(b'{"issuer":"https://login.example.com","issuer":"https://login.example.com"}'),
        json_response(DOCUMENT, content_type="text/html"),
        json_response(DOCUMENT, content_type="text/plain"),
        json_response(DOCUMENT, content_type="text/json+json"),
        json_response(DOCUMENT, content_type="application/octet-stream"),
        json_response(DOCUMENT, content_type=""),
        HttpResponse(200),
        json_response(DOCUMENT, status=204),
        json_response(DOCUMENT, status=201),
        json_response(DOCUMENT, status=304),
        json_response(DOCUMENT, status=404),
        json_response({"error": "x"}, status=400),
    ],
)
def test_what_is_no_configuration_is_refused(response):
    assert isinstance(assert_refused("metadata_invalid", response), ProviderError)


@pytest.mark.parametrize(
    "media_type", ["application/json", "Application/JSON; charset=UTF-8", "application/json;charset=utf-8", "application/health+json"]
)
def test_json_by_any_of_its_names(media_type):
    assert process_discovery(json_response(DOCUMENT, content_type=media_type), issuer=ISSUER).issuer == ISSUER


@pytest.mark.row("DI-03")
@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308, 399])
def test_redirects_are_refused(status):
    assert_refused("response_redirected", json_response(DOCUMENT, status=status, location="http://169.254.169.254/"))


@pytest.mark.row("DI-08", "DI-09", "F-OP-07")
@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 5),
        ({"retry_after": "7"}, 7),
        ({"retry_after": " 120 "}, 120),
        ({"retry_after": "0"}, 1),
        ({"retry_after": "1000000000"}, 300),
        ({"retry_after": "9" * 400}, 300),
        ({"retry_after": "-5"}, 5),
        ({"retry_after": "1.5"}, 5),
        ({"retry_after": "²"}, 5),
        ({"retry_after": "soon"}, 5),
        ({"retry_after": "Wed, 21 Oct 2015 07:29:00 GMT", "date": "Wed, 21 Oct 2015 07:28:00 GMT"}, 60),
        ({"retry_after": "Wed, 21 Oct 2099 07:29:00 GMT", "date": "Wed, 21 Oct 2015 07:28:00 GMT"}, 300),
        ({"retry_after": "Wed, 21 Oct 2015 07:27:00 GMT", "date": "Wed, 21 Oct 2015 07:28:00 GMT"}, 1),
        ({"retry_after": "Wed, 21 Oct 2015 07:29:00 GMT"}, 5),
        ({"retry_after": "Wed, 21 Oct 2015 07:29:00 -0000", "date": "Wed, 21 Oct 2015 07:28:00 GMT"}, 5),
        ({"retry_after": "Wed, 99 Oct 2015 07:29:00 GMT", "date": "Wed, 21 Oct 2015 07:28:00 GMT"}, 5),
    ],
)
@pytest.mark.parametrize(("status", "code"), [(429, "provider_throttled"), (503, "provider_unavailable"), (500, "provider_unavailable")])
def test_a_provider_that_asks_to_wait(status, code, headers, seconds):
    error = assert_refused(code, json_response(DOCUMENT, status=status, **headers))
    assert isinstance(error, Unavailable)
    assert error.retry_after == seconds
