"""oidcc-client-test-idtoken-sig-rs256: the provider signs with RS256 and lists nothing else."""

import pytest


@pytest.mark.row("ID-03")
def test_accepted(party):
    party.provider.metadata_edits["id_token_signing_alg_values_supported"] = ["RS256"]
    party.accepts()
