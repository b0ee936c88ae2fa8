"""fapi1-advanced-final-client-test-no-scope-in-token-endpoint-response: no scope means the scope that was asked for (RFC 6749 5.1)."""

import pytest

from oidc_middleware.testing import REMOVE


@pytest.mark.row("ID-32")
def test_accepted(party):
    party.provider.token_edits["scope"] = REMOVE
    _, browser = party.accepts()
    assert {"openid", "profile", "email"} <= set(browser.fetch("/api").json()["scopes"])
