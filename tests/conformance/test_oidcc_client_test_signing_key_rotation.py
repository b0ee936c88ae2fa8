"""oidcc-client-test-signing-key-rotation: the keys change between two logins in one process."""

import pytest


@pytest.mark.row("JW-06", "ID-09", "F-OP-13")
def test_two_logins_with_new_keys_in_between(party):
    party.accepts()
    party.provider.rotate_keys()
    party.accepts()
    assert (party.count("jwks"), party.count("userinfo")) == (2, 2)


@pytest.mark.row("JW-06")
def test_a_withdrawn_key_signs_nobody_in_any_more(party):
    old = party.provider.keys
    party.accepts()
    party.provider.rotate_keys()
    party.accepts()
    kid, key = old.signer("RS256")

    def bend(provider):
        provider.id_token_key, provider.id_token_header["kid"] = key, kid

    party.refuses(bend, code="id_token_key_unknown")


@pytest.mark.row("JW-07", "ID-09")
def test_unknown_keys_are_looked_for_once_a_minute(party):
    def bend(provider):
        provider.id_token_header["kid"] = "no-such-key"

    party.refuses(bend, code="id_token_key_unknown")
    assert party.count("jwks") == 2
    party.clock.advance(61)
    party.browser().login("/")
    assert party.count("jwks") == 3
