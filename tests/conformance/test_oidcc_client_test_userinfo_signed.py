"""oidcc-client-test-userinfo-signed: UserInfo as a JWT with iss and aud but neither exp nor iat, typed application/jwt;charset=UTF-8."""

import httpx
import pytest

from tests.conformance.party import flip_signature


@pytest.mark.row("UI-02")
def test_accepted(party):
    party.provider.userinfo_signed = True
    claims, _ = party.accepts()
    assert claims["email"] == "user@example.com"
    assert party.count("jwks") == 1


@pytest.mark.row("UI-02")
@pytest.mark.parametrize(
    "edits",
    [
        {"iss": "https://other.example"},
        {"aud": "another-client"},
    ],
)
def test_wrong_claims_are_refused(party, edits):
    party.provider.userinfo_signed = True
    party.refuses(lambda provider: provider.userinfo_edits.update(edits), code="userinfo_invalid", userinfo=1)


@pytest.mark.row("UI-02", "UI-01")
def test_another_subject_is_refused(party):
    party.provider.userinfo_signed = True
    party.refuses(lambda provider: provider.userinfo_edits.update(sub="other"), code="userinfo_sub_mismatch", userinfo=1)


@pytest.mark.row("UI-02")
def test_a_wrong_signature_is_refused(party):
    party.provider.userinfo_signed = True

    def flipped(response):
        return httpx.Response(200, headers=response.headers, content=flip_signature(response.text).encode())

    party.refuses(lambda provider: provider.script("userinfo", edit=flipped), code="userinfo_invalid", userinfo=1)
