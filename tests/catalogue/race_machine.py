"""Who races with whom: the rules of the state machine in ``test_f_pr_races``, and its model of who may see what."""

import functools
from urllib.parse import urlencode, urlsplit

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from oidc_middleware.flows.backchannel import sign_out_everywhere
from oidc_middleware.flows.messages import PassThrough, Request
from oidc_middleware.flows.revocation import MEMORY_SECONDS
from oidc_middleware.stores import open_sync
from oidc_middleware.testing import REMOVE
from oidc_middleware.testing.cookie_jar import CookieJar
from tests.catalogue.helpers import Stage
from tests.catalogue.races import End, Session, Task, Worker, asked
from tests.conformance.party import BASE_URL

LIFE = 300
PEOPLE, BROWSERS, WORKERS = ("ada", "bob"), (0, 1), (0, 1)
NAVIGATION = {"sec-fetch-mode": ["navigate"], "sec-fetch-dest": ["document"], "accept": ["text/html"], "host": ["app.example.com"]}
SAME_ORIGIN = {**NAVIGATION, "sec-fetch-site": ["same-origin"], "origin": [BASE_URL]}
FORM = {"host": ["app.example.com"], "content-type": ["application/x-www-form-urlencoded"]}
people, browsers, workers = st.sampled_from(PEOPLE), st.sampled_from(BROWSERS), st.sampled_from(WORKERS)


class Races(RuleBasedStateMachine):
    """Sessions in cookies; the subclasses put them elsewhere."""

    options = {}  # noqa: RUF012  # read only
    shared = ()

    @initialize()
    def start(self):
        self.stage, self.store, self.workers = self._process()
        self.store.start()
        for worker in self.workers:
            worker.restart()
        self.provider, self.clock = self.stage.provider, self.stage.clock
        self.provider.refresh_tokens, self.provider.expires_in, self.provider.code_lifetime = True, LIFE, 1e9
        self.provider.refresh_grace = -1  # the second use of a refresh token is one in the same second as well
        self.provider.complaints.clear()
        self.provider.tokens.clear()
        self.jars = {browser: CookieJar() for browser in BROWSERS}
        self.answers = {browser: [] for browser in BROWSERS}
        self.tasks, self.sessions = [], {}
        #: What was ended for sure, and what somebody began to end, and may have.
        self.ends, self.threats = [], []
        self.tick = self.logins = 0
        for browser in BROWSERS:
            self.sign_in(browser, 0, PEOPLE[browser])
        self.clock.advance(1)

    @classmethod
    @functools.cache
    def _process(cls):
        """What is slow to make: used again, and emptied, for each example."""
        stage, store = Stage("wsgi", _NoLog()), open_sync("memory://")
        apps = [stage.worker(**cls.options, **dict.fromkeys(cls.shared, store)) for _ in WORKERS]
        return stage, store, [Worker(app, stage.clock) for app in apps]

    # -- requests ----------------------------------------------------------------------------------------------------------------------------

    def _request(self, path, *, browser=None, method="GET", headers=NAVIGATION, query=""):
        cookie = self.jars[browser].header(BASE_URL + "/x", self.clock.now()) if browser is not None else ""
        return Request("http", method, "https", "", path, "", query, cookie, lambda name: headers.get(name, []), "192.0.2.7", self.clock.now())

    def _begin(self, name, worker, flow, done, **options):
        self.tick += 1
        task = Task(self.workers[worker], flow, name, **options)
        task.done, task.began = done, self.tick
        self.tasks.append(task)
        return task

    def _ask(self, name, worker, request, done, **options):
        """A request, as the shell asks for it: the lane, then the gate."""
        here = self.workers[worker]
        flow = asked(here, request)

        def remembered(task):
            if isinstance(task.result, PassThrough):
                here.lane.remember(request.cookie, task.result)
            done(task)

        return self._begin(name, worker, flow, remembered, **options)

    def _receive(self, browser, result, session=None):
        """The answer arrives. *session*: whose cookies are in it."""
        cookies = [value for name, value in getattr(result, "headers", ()) if name == "Set-Cookie"] or list(getattr(result, "set_cookies", ()))
        self.jars[browser].receive(BASE_URL + "/x", cookies, self.clock.now())
        if session is not None:
            session.cookies |= _session_values(self.stage, "; ".join(cookie.partition(";")[0] for cookie in cookies))

    def _settle(self, task):
        self.tasks.remove(task)
        self.tick += 1
        if not task.detached:
            task.done(task)

    def _run(self, task):
        """Let *task* come to its end; whom it waits for has to go on, too."""
        for _ in range(20_000):
            if task.over:
                return self._settle(task)
            if not task.half_step():
                for other in self.tasks:
                    if other is not task and not other.over:
                        other.half_step()
                for other in [other for other in self.tasks if other.over and other is not task]:
                    self._settle(other)
        raise AssertionError(f"{task.name} never ends")

    # -- what comes of them --------------------------------------------------------------------------------------------------------------

    def _let_in(self, browser, task):
        """Whom a request was let in as; the session must be this browser's, and nobody may have ended it before the request began."""
        user = task.result.user
        session = self.sessions[user.claims["sid"]]
        assert (session.browser, session.person) == (browser, user.identity), "somebody else's session"
        for end in self.ends:
            if end.ends(session) and end.tick < task.began:
                known = end.worker is task.worker or "revocation" not in self.shared or self.clock.now() >= end.time + MEMORY_SECONDS
                assert not known, f"{task.name} was let in although the session had ended"
        session.used = self.clock.now()
        return session

    def _opened(self, browser, task):
        assert task.error is None
        if isinstance(task.result, PassThrough):
            session = self._let_in(browser, task)
            self._receive(browser, task.result, session)  # an answer that is late: what it brings is looked at when the browser sends it
        else:
            assert task.result.status == 302
            self._receive(browser, task.result)
            self.answers[browser].append(self.provider.respond(dict(task.result.headers)["Location"]).url)

    def open_page(self, browser, worker):
        self._ask("open", worker, self._request("/page", browser=browser), lambda task: self._opened(browser, task))

    def _callback(self, browser, worker, person):
        query = urlsplit(self.answers[browser].pop()).query
        self.logins += 1
        session = Session(f"sid-{self.logins}", person, browser)

        def known_as():
            self.provider.user, self.provider.sid = {**self.provider.user, "sub": person}, session.sid
            if session.issued is None:
                session.issued = float(int(self.clock.now()))
                self.sessions[session.sid] = session

        def done(task):
            assert task.error is None
            session.used = self.clock.now()
            self._receive(browser, task.result, session)
            if session.cookies:  # it is there: the one it took the place of is over
                self.ends.append(End(lambda other: other.sid in before, self.tick, self.clock.now(), task.worker))

        request = self._request("/oidc/callback", browser=browser, query=query)
        before = self._with_cookies(request)
        self.threats.append(lambda other: other.sid in before)
        return self._ask("callback", worker, request, done, before_fetch=known_as)

    def come_back(self, browser, worker, person):
        if self.answers[browser]:
            self._callback(browser, worker, person)

    def sign_in(self, browser, worker, person):
        self._run(self._ask("login", worker, self._request("/oidc/login", browser=browser), lambda task: self._opened(browser, task)))
        self._run(self._callback(browser, worker, person))

    def sign_out(self, browser, worker):
        request = self._request("/oidc/logout", browser=browser, method="POST", headers=SAME_ORIGIN)
        ended = self._with_cookies(request)
        self.threats.append(lambda session: session.sid in ended)

        def done(task):
            assert task.result.status == 303
            self._receive(browser, task.result)
            self.ends.append(End(lambda session: session.sid in ended, self.tick, self.clock.now(), task.worker))

        self._ask("sign out", worker, request, done)

    # -- orders from elsewhere -----------------------------------------------------------------------------------------------------------

    def logout_token(self, person, worker, sid):
        if sid is not None and f"sid-{sid}" not in self.sessions:
            return
        named = {"sub": person} if sid is None else {"sub": self.sessions[f"sid-{sid}"].person, "sid": f"sid-{sid}"}
        edits = {"sid": REMOVE, **named}
        token, issued = self.provider.logout_token(**edits), int(self.clock.now())

        def ends(session):
            return session.issued <= issued and (session.sid == named["sid"] if "sid" in named else session.person == person)

        def done(task):
            if self.clock.now() > issued + 60:
                return  # it may have been too old when it was looked at
            assert task.result.status == 200
            self.ends.append(End(ends, self.tick, self.clock.now(), task.worker))

        self.threats.append(ends)
        request = self._request("/oidc/backchannel-logout", method="POST", headers=FORM)
        self._ask("logout token", worker, request, done, body=urlencode({"logout_token": token}).encode())

    def everywhere(self, person, worker):
        asked, until = self.clock.now(), [float("inf")]
        self.threats.append(lambda session: session.person == person and session.issued <= until[0])

        def done(task):
            assert task.error is None
            until[0] = self.clock.now()
            self.ends.append(End(lambda session: session.person == person and session.issued <= asked, self.tick, self.clock.now(), task.worker))

        self._begin("everywhere", worker, sign_out_everywhere(person, self.workers[worker].rp), done)

    # -- the surroundings ------------------------------------------------------------------------------------------------------------------

    @rule(
        browser=browsers,
        person=people,
        pause=st.sampled_from([0, 1, LIFE, LIFE + 1, 901]),
        beginnings=st.lists(st.tuples(st.integers(0, 99), st.integers(0, 255)), min_size=2, max_size=5),
        order=st.binary(min_size=10, max_size=120),
    )
    def race(self, browser, person, pause, beginnings, order):
        """After *pause* seconds of a session of *browser*, requests begin, and go on in the order that *order* says.

        Each byte of it lets one of them do a few half-steps, or go away.
        """
        if not self._with_cookies(self._request("/page", browser=browser)):
            self.sign_in(browser, beginnings[0][1] & 1, person)
        self.clock.advance(pause)
        begins = [self.begin(kind, browser if byte & 0x30 else 1 - browser, byte) for kind, byte in beginnings]
        for byte in order:
            begins = self._next(begins, byte)
        for turn in range(20_000):
            if not begins and not self.tasks:
                return self.rest()
            begins = self._next(begins, 16 + turn % 8)
        raise AssertionError(f"{[task.name for task in self.tasks]} never end")

    def _next(self, begins, byte):
        going = [task for task in self.tasks if not task.over]
        which = byte % (len(going) + bool(begins)) if going or begins else 0
        if which == len(going):
            if begins:
                begins[0]()
            return begins[1:]
        task = going[which]
        if byte > 250:
            task.cancel()
        for _ in range(1 + (byte >> 3) % 8):
            if not task.over:
                task.half_step()
        if task.over:
            self._settle(task)
        return begins

    def begin(self, kind, browser, byte):
        """One of the things that can happen, with its details from the bits of *byte*."""
        worker, person = byte & 1, PEOPLE[byte >> 1 & 1]
        sid = max(1, self.logins - (byte >> 3 & 1)) if byte & 4 else None
        kinds = [
            lambda: self.open_page(browser, worker),
            lambda: self.come_back(browser, worker, person),
            lambda: self.sign_out(browser, worker),
            *([lambda: self.logout_token(person, worker, sid), lambda: self.everywhere(person, worker)] if self.shared else []),
            *self.more_kinds(browser, worker),
        ]
        return kinds[kind % len(kinds)]

    def more_kinds(self, browser, worker):
        """What else can happen."""
        return []

    @rule(person=people, browser=browsers, worker=workers)
    def sign_in_at_once(self, person, browser, worker):
        self.sign_in(browser, worker, person)

    @rule(browser=browsers, worker=workers)
    def be_on_the_way_back(self, browser, worker):
        if len(self.answers[browser]) < 3:
            self._run(self._ask("login", worker, self._request("/oidc/login", browser=browser), lambda task: self._opened(browser, task)))

    @rule(seconds=st.sampled_from([1, 6, LIFE, 901]))
    def time_passes(self, seconds):
        self.clock.advance(seconds)

    @rule(worker=workers)
    def restart(self, worker):
        if all(task.worker is not self.workers[worker] for task in self.tasks):
            self.workers[worker].restart()

    # -- the end -----------------------------------------------------------------------------------------------------------------------------

    def rest(self):
        """Nothing is under way any more."""
        assert self.provider.complaints == [], "a code or a refresh token was used twice"
        for browser in BROWSERS:
            self._at_rest(browser)

    def _with_cookies(self, request):
        """The ``sid`` of each session whose cookies are in *request*."""
        values = _session_values(self.stage, request.cookie)
        return {session.sid for session in self.sessions.values() if session.cookies & values}

    def _at_rest(self, browser):
        """Nothing is under way: this browser is in, if and only if its session was not ended."""
        mine = [self.sessions[sid] for sid in self._with_cookies(self._request("/page", browser=browser))]
        self.clock.advance(MEMORY_SECONDS)
        for worker in WORKERS:
            task = self._ask("at rest", worker, self._request("/page", browser=browser), lambda task: None)
            while not task.over:
                task.half_step()
            self.tasks.remove(task)
            self.tick += 1
            if isinstance(task.result, PassThrough):
                self._receive(browser, task.result, self._let_in(browser, task))  # what counts as use reaches the browser
            for session in mine:
                ended = any(threat(session) for threat in self.threats)
                fresh = self.clock.now() < session.used + self.workers[worker].rp.settings.idle_timeout / 2
                assert isinstance(task.result, PassThrough) or ended or not fresh, "somebody was signed out by nobody"


class _NoLog:
    text = ""
    records = ()


def _session_values(stage, header):
    pairs = [pair.partition("=") for pair in header.split("; ")]
    return {value for name, _, value in pairs if name.startswith(stage.session_name) and value}
