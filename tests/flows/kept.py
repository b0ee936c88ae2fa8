"""A session with kept tokens, and workers that ask for them by hand."""

from dataclasses import replace

from oidc_middleware.errors import Unavailable
from oidc_middleware.flows.effects import (
    Fetch,
    Shielded,
    Sleep,
    StoreCreate,
    StoreEffect,
)
from oidc_middleware.flows.stored_tokens import token_key
from oidc_middleware.flows.tokens import TokenKeeper
from oidc_middleware.sessions.kept_tokens import KeptTokens
from oidc_middleware.sessions.session import Session
from oidc_middleware.stores import open_sync
from tests.flows.hand import ISSUER, METADATA, Driver, json_response, party, request

LIFE = 300
META = METADATA | {"code_challenge_methods_supported": ["S256"]}
NEW = {"access_token": "new", "token_type": "Bearer", "expires_in": LIFE, "refresh_token": "r2"}
NO = json_response({"error": "invalid_grant"}, 400)
RESET = Unavailable("provider_unreachable", "reset", sent=True)


class Worker(Driver):
    """A process with a store. *meanwhile* is what others do while it sleeps or calls; *faults* what the store does instead, by kind of effect."""

    def __init__(self, *answers, store, clock=None, meanwhile=()):
        super().__init__(*answers, clock=clock)
        self.store, self.faults, self.meanwhile = store, {}, list(meanwhile)

    def _perform(self, effect):
        if isinstance(effect, StoreEffect):
            waiting = self.faults.get(type(effect))
            if waiting:
                raise waiting.pop(0)
            return effect.on(self.store, self.clock.now())
        if isinstance(effect, (Sleep, Fetch)) and self.meanwhile:
            self.meanwhile.pop(0)()
        if isinstance(effect, Shielded):
            return self.run(effect.flow())
        if isinstance(effect, Sleep):
            return self.clock.advance(effect.seconds)
        return super()._perform(effect)

    def count(self, kind):
        return sum(isinstance(effect, kind) for effect in self.effects)


class Case:
    """A session with tokens for five minutes, in a store; workers to ask for them."""

    def __init__(self, *answers, **changes):
        self.store = open_sync("memory://")
        self.rp = party(store="memory://", keep_tokens=True)
        self.site = self.rp.sites.fixed
        self.worker = Worker(json_response(META), *answers, store=self.store)
        self.clock = self.worker.clock
        now = self.clock.now()
        self.session = Session(issuer=ISSUER, subject="ada", claims_json="{}", created=now, seen=now, expires=now + 3600, scopes=("openid", "email"))
        given = {"access_token": "old", "refresh_token": "r1", "received": now, "expires": now + LIFE, "ends": now + 3600}
        proof = {"scopes": ("openid", "email"), "subject": "ada", "audience": ("app",), "nonce": "n", "auth_time": None}
        kept = KeptTokens(**{**given, **proof, **changes})
        self.worker.run(self.site.stored.write(self.session, request(), now, kept))
        self.key = next(effect.key for effect in self.worker.effects if isinstance(effect, StoreCreate) and effect.key.startswith("s:"))
        self.keeper = TokenKeeper(self.key, self.rp, self.site.stored, self.site.stored.tokens)
        self.lease = "r" + token_key(self.key)
        self.worker.effects.clear()

    def ask(self, worker=None):
        return (worker or self.worker).run(self.keeper.access_token())

    def held(self):
        return Worker(store=self.store, clock=self.clock).run(self.site.stored.tokens.read(self.key))

    def put(self, **changes):
        """Somebody else writes."""
        held = self.held()
        changed = replace(held.tokens, **changes)
        assert Worker(store=self.store, clock=self.clock).run(self.site.stored.tokens.replace(self.key, changed, held.version, self.clock.now()))

    def end(self):
        Worker(store=self.store, clock=self.clock).run(self.site.stored.forget(self.key))

    def lives(self):
        now = self.clock.now()
        return [self.store.get(key, now) is not None for key in (self.key, token_key(self.key))] == [True, True]
