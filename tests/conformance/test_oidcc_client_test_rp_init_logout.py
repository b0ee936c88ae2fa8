"""oidcc-client-test-rp-init-logout, -other-state and -no-state: signed out here and there, whatever comes back."""

import pytest

from oidc_middleware.testing import REMOVE
from tests.conformance.party import BASE_URL, assert_strict


@pytest.fixture
def signed_in(party):
    party.restart(registration={"end_session": True})
    return party.accepts()[1]


@pytest.mark.row("LO-02", "LO-11")
def test_rp_init_logout(party, signed_in):
    page = signed_in.post_form("/oidc/logout")
    assert (page.status, page.url.partition("?")[0]) == (200, BASE_URL + "/oidc/signed-out")
    (asked,) = party.provider.signed_out
    assert asked["id_token_hint"] == party.provider.issued_id_tokens[-1]
    assert asked["state"]
    assert_strict(page)
    assert signed_in.fetch("/api").status == 401
    party.accepts(signed_in)


@pytest.mark.row("LO-04")
@pytest.mark.parametrize("state", [lambda state: state + "_INVALID", lambda state: REMOVE], ids=["other-state", "no-state"])
def test_rp_init_logout_with_another_state_or_none(party, signed_in, state):
    from oidc_middleware.testing.script import edited

    party.provider.end_session(signed_in.post_form("/oidc/logout", follow=False).location)
    back = edited({"state": party.provider.signed_out[0]["state"]}, {"state": state})
    query = "".join(f"?{name}={value}" for name, value in back.items())
    page = signed_in.navigate(f"/oidc/signed-out{query}", initiator=party.provider.issuer)
    assert (page.status, "signed out" in page.text) == (200, True)
    assert signed_in.fetch("/api").status == 401


@pytest.mark.row("LO-01")
def test_another_site_cannot_start_it(party, signed_in):
    signed_in.post_form("/oidc/logout", initiator="https://evil.example")
    assert party.provider.signed_out == []
    assert signed_in.fetch("/api").status == 200
