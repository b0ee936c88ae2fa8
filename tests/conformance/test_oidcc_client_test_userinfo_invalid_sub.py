"""oidcc-client-test-userinfo-invalid-sub: UserInfo is asked, and its answer about someone else ends the login.

The suite passes whatever happens next; OIDC Core 5.3.2 forbids to use the answer."""

import pytest


@pytest.mark.row("UI-01", "CI-05")
def test_refused(party):
    def bend(provider):
        provider.userinfo_edits["sub"] = lambda subject: subject + "invalid"

    party.refuses(bend, code="userinfo_sub_mismatch", status=502, userinfo=1)
