"""What is taken from a request and added to an answer on the way."""

import pytest

from oidc_middleware.flows.outgoing import is_identity_header, private_caching


@pytest.mark.row("HD-01", "HD-02")
@pytest.mark.parametrize(
    "name",
    ["Remote-User", "REMOTE_USER", "remote_user", "x-forwarded-user", "X_Forwarded_User", "x-forwarded_user", "X-Remote-User", "x-forwarded-email",
     "X-Goog-Authenticated-User-Email", "X-Amzn-Oidc-Identity", "X-MS-CLIENT-PRINCIPAL", "X_MS_CLIENT_PRINCIPAL_NAME", "X-authentik-groups",
     "Tailscale-User-Login", "Cf-Access-Authenticated-User-Email", "X-WebAuth-Role", "OIDC_CLAIM_" + "x" * 9_000,
     "X-Auth-Request-Groups", "OIDC-Claim-Sub", "OIDC_CLAIM_email", "x-webauth-user ", " x-forwarded-groups", "X_AUTH_REQUEST_USER"],
)  # fmt: skip
def test_every_spelling_of_an_identity_header_is_known(name):
    assert is_identity_header(name)


@pytest.mark.row("HD-01")
def test_every_name_that_means_somebody_is_known():
    """Written out once more: what falls out of the list by accident would be believed."""
    names = """remote-user remote-email remote-group remote-groups remote-name
        x-remote-user x-remote-email x-remote-group x-remote-groups x-remote-name
        x-forwarded-user x-forwarded-email x-forwarded-groups x-forwarded-preferred-username x-forwarded-access-token
        x-user x-user-email x-userinfo x-authenticated-user x-authenticated-userid x-authenticated-groups
        cf-access-authenticated-user-email x-pomerium-jwt-assertion
        x-auth-request-user x-auth-request-access-token oidc-claim-sub oidc-access-token x-oidc-user x-webauth-user x-authentik-username
        x-pomerium-claim-email x-vouch-user tailscale-user-name x-goog-authenticated-user-id x-amzn-oidc-data x-amzn-oidc-accesstoken
        x-ms-client-principal x-ms-client-principal-id x-ms-token-aad-id-token"""
    assert [name for name in names.split() if not is_identity_header(name)] == []


@pytest.mark.parametrize(
    "name",
    ["host", "cookie", "x-forwarded-for", "x-forwarded-proto", "authorization", "x-username-hint", "remote-userx", "user-agent", "tailscale-x",
     "x" * 9_000],
)  # fmt: skip
def test_other_headers_are_left_alone(name):
    assert not is_identity_header(name)


@pytest.mark.row("CA-01", "CA-02")
@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], "private, no-store"),
        ([("content-type", "text/html")], "private, no-store"),
        ([("etag", '"1"')], "private, no-cache"),
        ([("last-modified", "x")], "private, no-cache"),
        ([("cache-control", "no-cache")], None),
        ([("cache-control", "private, max-age=60")], None),
        ([("cache-control", "public, max-age=60")], "private, max-age=60"),
        ([("cache-control", "Public, S-MaxAge=9, max-age=60")], "private, max-age=60"),
        ([("cache-control", "max-age=60"), ("cache-control", "public")], "private, max-age=60"),
        ([("cache-control", "s-maxage=60, private")], "private"),
        ([("cache-control", "max-age=600")], "private, max-age=600"),
        ([("cache-control", "immutable, max-age=31536000")], "private, immutable, max-age=31536000"),
        ([("cache-control", 'private="set-cookie, private", max-age=60')], "private, max-age=60"),
        ([("cache-control", 'no-cache="x, no-store", max-age=60')], 'private, no-cache="x, no-store", max-age=60'),
        ([("cache-control", 'max-age=60, x="private')], 'private, max-age=60, x="private'),
        ([("cache-control", "must-revalidate")], "private, must-revalidate"),
        ([("cache-control", "No-Store, max-age=0")], None),
        ([("cache-control", "Private, max-age=60")], None),
        ([("cache-control", "")], "private, no-store"),
        ([("cache-control", " , "), ("etag", '"1"')], "private, no-cache"),
    ],
)
def test_a_protected_answer_stays_out_of_shared_caches(headers, expected):
    assert private_caching(headers) == expected
