"""The two drivers do the same thing."""

import asyncio
import threading
from types import SimpleNamespace

import anyio
import pytest

from oidc_middleware import drive as drive_module
from oidc_middleware.drive import AsyncWorld, SyncWorld, arun, run
from oidc_middleware.errors import LoginError, Unavailable
from oidc_middleware.flows.effects import Claim, Fetch, Now, Once, Random, ReadBody, Report, Shielded, Sleep
from oidc_middleware.protocol.messages import HttpRequest, HttpResponse
from oidc_middleware.testing import FakeClock

REQUEST = HttpRequest("token", "GET", "https://op.example.com/token")


class Answers:
    """A transport, of both kinds."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests = []

    def take(self, request):
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


class SyncAnswers(Answers):
    def send(self, request):
        return self.take(request)


class AsyncAnswers(Answers):
    async def send(self, request):
        await anyio.lowlevel.checkpoint()
        return self.take(request)


@pytest.fixture(params=["sync", "async"])
def drive(request):
    def sync(flow, *answers, body=b""):
        return run(flow, SyncWorld(SyncAnswers(*answers), FakeClock()), lambda _limit: body)

    def asynchronous(flow, *answers, body=b""):
        async def read(_limit):
            return body

        return asyncio.run(arun(flow, AsyncWorld(AsyncAnswers(*answers), FakeClock()), read))

    return sync if request.param == "sync" else asynchronous


def test_every_effect_has_its_result(drive):
    def flow():
        response = yield Fetch(REQUEST)
        now = yield Now()
        random = yield Random(16)
        body = yield ReadBody(10)
        first = yield Claim("k", 10)
        second = yield Claim("k", 10)
        nothing = yield Report("x")

        def inner():
            time = yield Now()
            return ("inner", time)

        shared = yield Once("key", inner)
        return response.status, now, len(random), body, first, second, nothing, shared

    start = FakeClock().now()
    assert drive(flow(), HttpResponse(204), body=b"b") == (204, start, 16, b"b", True, False, None, ("inner", start))


def test_an_error_is_thrown_into_the_flow_which_may_go_on(drive):
    def flow():
        try:
            yield Fetch(REQUEST)
        except Unavailable as error:
            caught = error.code
        response = yield Fetch(REQUEST)
        return caught, response.status

    assert drive(flow(), Unavailable("provider_timeout"), HttpResponse(200)) == ("provider_timeout", 200)


def test_an_error_nobody_catches_comes_out_and_closes_the_flow(drive):
    closed = []

    def flow():
        try:
            yield Fetch(REQUEST)
        finally:
            closed.append(True)

    with pytest.raises(Unavailable):
        drive(flow(), Unavailable("provider_timeout"))
    assert closed == [True]


def test_a_fault_of_ours_is_not_handed_to_the_flow(drive):
    def flow():
        try:
            yield Fetch(REQUEST)
        except OSError:
            return "swallowed"

    with pytest.raises(OSError, match="broken"):
        drive(flow(), OSError("broken"))


def test_a_flow_without_a_request_has_no_body():
    def flow():
        yield ReadBody(1)

    with pytest.raises(RuntimeError):
        run(flow(), SyncWorld(SyncAnswers()))
    with pytest.raises(RuntimeError):
        asyncio.run(arun(flow(), AsyncWorld(AsyncAnswers())))


def test_an_unknown_effect_is_a_fault():
    def flow():
        yield "surprise"

    with pytest.raises(TypeError, match="no driver"):
        run(flow(), SyncWorld(SyncAnswers()))


@pytest.mark.row("F-PR-08")
def test_a_cancelled_request_closes_its_flow_at_once():
    seen = []

    sent = asyncio.Event()

    class Hanging:
        async def send(self, request):
            seen.append("sent")
            sent.set()
            await anyio.sleep_forever()

    def flow():
        try:
            yield Fetch(REQUEST)
            seen.append("went on")
        finally:
            seen.append("closed")

    async def main():
        task = asyncio.ensure_future(arun(flow(), AsyncWorld(Hanging())))
        await sent.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert seen == ["sent", "closed"]


def once_flow(counter):
    def inner():
        counter.append(1)
        response = yield Fetch(REQUEST)
        return response.status

    def outer():
        return (yield Once("metadata", inner))

    return outer()


@pytest.mark.row("JW-08")
def test_a_thousand_tasks_make_one_call():
    async def main():
        counter = []
        world = AsyncWorld(AsyncAnswers(HttpResponse(200)))
        results = await asyncio.gather(*(arun(once_flow(counter), world) for _ in range(1000)))
        return len(counter), set(results)

    assert asyncio.run(main()) == (1, {200})


@pytest.mark.row("JW-08")
def test_threads_share_a_call_and_its_error():
    everybody = 8
    waiting = threading.Barrier(everybody + 1)
    entered, release = threading.Event(), threading.Event()

    class Slow:
        def send(self, request):
            entered.set()
            assert release.wait(10)
            raise Unavailable("provider_timeout")

    world, counter, errors = SyncWorld(Slow()), [], []

    def visit():
        try:
            run(once_flow(counter), world)
        except Unavailable as error:
            errors.append(error.code)

    def follower():
        waiting.wait(10)
        visit()

    first = threading.Thread(target=visit)
    first.start()
    assert entered.wait(10)
    others = [threading.Thread(target=follower) for _ in range(everybody)]
    for thread in others:
        thread.start()
    waiting.wait(10)
    # Followers count themselves in before they wait; the leader is held until each had its turn.
    for thread in others:
        thread.join(0.05)
    release.set()
    for thread in (first, *others):
        thread.join(10)
    assert errors == ["provider_timeout"] * (everybody + 1)
    assert counter == [1]


def test_a_login_error_from_reading_the_body_reaches_the_flow(drive):
    def flow():
        try:
            yield Fetch(REQUEST)
        except LoginError as error:
            return error.code

    assert drive(flow(), LoginError("body_too_large")) == "body_too_large"


def test_waiting_and_what_is_shielded_have_their_results(drive):
    def inner():
        response = yield Fetch(REQUEST)
        return response.status

    def flow():
        nothing = yield Sleep(0.001)
        status = yield Shielded(inner)
        try:
            yield Shielded(inner)
        except Unavailable as error:
            return nothing, status, error.code

    assert drive(flow(), HttpResponse(204), Unavailable("provider_timeout")) == (None, 204, "provider_timeout")


class Slow:
    """A transport that says when it is asked, and answers when it may."""

    def __init__(self):
        self.asked, self.may_answer = anyio.Event(), anyio.Event()

    async def send(self, request):
        self.asked.set()
        await self.may_answer.wait()
        return HttpResponse(204)


@pytest.mark.row("RF-13")
@pytest.mark.parametrize("by", ["scope", "task", "scope, elsewhere"])
def test_what_is_shielded_is_done_whoever_cancels(by, monkeypatch):
    stored = []

    def inner():
        response = yield Fetch(REQUEST)
        stored.append(response.status)

    def flow():
        yield Shielded(inner)

    async def scenario():
        slow = Slow()
        world = AsyncWorld(slow, FakeClock())
        if by == "task":
            task = asyncio.create_task(arun(flow(), world))
            await slow.asked.wait()
            task.cancel()
            slow.may_answer.set()
            with pytest.raises(asyncio.CancelledError):
                await task
        else:
            async with anyio.create_task_group() as group:
                group.start_soon(arun, flow(), world)
                await slow.asked.wait()
                group.cancel_scope.cancel()
                slow.may_answer.set()
        with anyio.fail_after(5):
            while not stored:  # noqa: ASYNC110  # what goes on in the background tells nobody
                await anyio.sleep(0.001)
        return stored

    if by == "scope, elsewhere":  # another event loop than asyncio's

        def none():
            raise RuntimeError("no running event loop")

        monkeypatch.setattr(drive_module, "asyncio", SimpleNamespace(get_running_loop=none))
    assert asyncio.run(scenario()) == [204]
