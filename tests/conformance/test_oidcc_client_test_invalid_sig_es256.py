"""oidcc-client-test-invalid-sig-es256: a client registered for ES256 gets a wrong signature; one registered for RS256 takes no ES256 at all."""

import pytest

from tests.conformance.party import flip_signature


@pytest.mark.row("ID-03")
def test_registered_for_es256(party):
    provider = party.restart(id_token_algs=["ES256"])
    provider.id_token_alg = "ES256"

    def bend(provider):
        provider.id_token_edit = flip_signature

    party.refuses(bend, code="id_token_signature")


@pytest.mark.row("ID-03", "ID-04")
def test_registered_for_rs256(party):
    def bend(provider):
        provider.id_token_alg = "ES256"

    party.refuses(bend, code="id_token_algorithm")
