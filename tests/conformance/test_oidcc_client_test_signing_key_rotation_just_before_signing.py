"""oidcc-client-test-signing-key-rotation-just-before-signing: new keys are made at the moment of signing."""

import pytest


@pytest.mark.row("JW-06")
@pytest.mark.parametrize("keys_known", [False, True])
def test_the_new_key_is_found(party, keys_known):
    if keys_known:
        party.accepts()
    party.provider.before_signing = party.provider.rotate_keys
    party.accepts()
    assert party.count("jwks") == 2, "those from before the code was sent, and the new ones"
