"""oidcc-client-test-invalid-sig-rs256: the signature's bytes are changed."""

import pytest

from tests.conformance.party import flip_signature


@pytest.mark.row("ID-01")
def test_refused(party):
    def bend(provider):
        provider.id_token_edit = flip_signature

    party.refuses(bend, code="id_token_signature")


@pytest.mark.row("ID-01")
def test_an_empty_signature_is_refused(party):
    def bend(provider):
        provider.id_token_edit = lambda token: token.rpartition(".")[0] + "."

    party.refuses(bend, code="id_token_signature")
