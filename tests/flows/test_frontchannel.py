"""Front-channel logout: how long the end of a session is remembered that perhaps never was."""

import pytest

from oidc_middleware.flows.effects import StoreEffect, StoreEnd
from oidc_middleware.flows.frontchannel import frontchannel_logout_endpoint
from oidc_middleware.flows.stored import sid_indexes
from oidc_middleware.stores import open_sync
from tests.flows.hand import ISSUER, party, request
from tests.flows.kept import Worker


@pytest.mark.row("LO-06")
@pytest.mark.parametrize(("place", "keep"), [("store", 600 + 60), ("revocation", 8 * 3600 + 60)])
def test_an_end_is_remembered_no_longer_than_it_serves(place, keep):
    """Anybody can invent sessions. With sessions in a store, only a login under way has to be kept from coming after."""
    rp = party(**{place: "memory://"})
    worker = Worker(store=open_sync("memory://"))
    answer = worker.run(frontchannel_logout_endpoint(request(query=f"iss={ISSUER}&sid=invented"), rp, rp.sites.fixed))
    assert answer.status == 200
    end = StoreEnd(sid_indexes(ISSUER, "invented", None)[0], worker.clock.now(), keep)
    assert [effect for effect in worker.effects if isinstance(effect, StoreEffect)] == [end]
    assert worker.events == ["logout.frontchannel"]
