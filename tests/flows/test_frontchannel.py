"""Front-channel logout: how long the end of a session is remembered that perhaps never was."""

import pytest

from oidc_middleware.flows.effects import Now, Report, StoreEnd
from oidc_middleware.flows.frontchannel import frontchannel_logout_endpoint
from oidc_middleware.flows.stored import sid_indexes
from tests.flows.hand import ISSUER, party, request


@pytest.mark.row("LO-06")
@pytest.mark.parametrize(("place", "keep"), [("store", 600 + 60), ("revocation", 8 * 3600 + 60)])
def test_an_end_is_remembered_no_longer_than_it_serves(place, keep):
    """Anybody can invent sessions. With sessions in a store, only a login under way has to be kept from coming after."""
    rp = party(**{place: "memory://"})
    flow = frontchannel_logout_endpoint(request(query=f"iss={ISSUER}&sid=invented"), rp, rp.sites.fixed)
    assert isinstance(next(flow), Now)
    end = flow.send(1_800_000_000.0)
    assert end == StoreEnd(sid_indexes(ISSUER, "invented", None)[0], 1_800_000_000.0, keep)
    assert isinstance(flow.send(0), Report)
    with pytest.raises(StopIteration) as done:
        flow.send(None)
    assert done.value.value.status == 200
