"""A connection that the token request leaves for UserInfo: one for both, never one for a code, and none that must not end."""

import asyncio
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

from oidc_middleware.drive import AsyncWorld, arun
from oidc_middleware.transports import streams
from tests.transports.harness import AMPLE, get, post, reply
from tests.transports.signing import CLAIMS, TOKENS, Signing, arrived, ended, reset, serving, signing


@pytest.mark.row("F-OP-16")
def test_one_connection_for_both(shell, provider, maybe_tls):
    op = serving(provider, maybe_tls)
    assert signing(shell, op).run() == [b"tokens", b"claims"]
    ended(op, 1)
    assert op.log == [["POST", "GET", ""]], "and then it was closed"


@pytest.mark.row("F-OP-16")
def test_what_is_said_about_the_connection(shell, provider):
    """It goes on after the token request, if anything may follow, and not after UserInfo."""
    heads = []

    def script(peer):
        while data := peer.read_request():
            heads.append(data.lower())
            peer.send(TOKENS)

    op = provider(script)
    signing(shell, op).run()
    Signing(shell, get(op.url), post(op.url)).run()
    assert [b"\r\nconnection: close\r\n" in head for head in heads] == [False, True, True, False]


@pytest.mark.row("F-OP-16")
@pytest.mark.parametrize(
    ("answer", "connections"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ntok\r\n3\r\nens\r\n0\r\nTrailer: x\r\n\r\n", 1),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\ntokens", 1),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 6\r\n\r\ntokens", 2),
        (b"HTTP/1.1 200 OK\r\nConnection: Keep-Alive, CLOSE\r\nContent-Length: 6\r\n\r\ntokens", 2),
        (b"HTTP/1.1 200 OK\r\n\r\ntokens", 2),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\ntokens", 2),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 6\r\n\r\ntokens", 2),
        (b"HTTP/1.1 400 No\r\nContent-Length: 6\r\n\r\ntokens", 2),
    ],
)
def test_only_an_answer_that_says_where_it_ends_leaves_its_connection(shell, provider, answer, connections):
    def first(peer):
        peer.heard()
        peer.send(answer)
        if b"\r\n\r\ntokens" in answer and b"Length" not in answer:
            return  # the end of the connection is the end of the body
        if peer.heard():
            peer.send(CLAIMS)

    op = serving(provider, None, first)
    assert signing(shell, op).run() == [b"tokens", b"claims"]
    ended(op, connections)
    assert len(op.log) == connections
    assert [method for log in op.log for method in log if method] == ["POST", "GET"]


@pytest.mark.row("F-OP-16", "DI-09")
def test_nothing_but_a_get_goes_over_what_was_kept(shell, provider, maybe_tls):
    """A code or a refresh token that got lost could not be sent again. Nor is a connection used a third time."""
    op = serving(provider, maybe_tls)
    assert Signing(shell, post(op.url), post(op.url), get(op.url), get(op.url)).run() == [b"tokens", b"tokens", b"claims", b"claims"]
    ended(op, 3)
    assert op.log == [["POST", ""], ["POST", "GET", ""], ["GET", ""]]


@pytest.mark.row("F-OP-16")
def test_the_next_sign_in_has_a_connection_of_its_own(shell, provider):
    op = serving(provider, None)
    case = signing(shell, op)
    for _ in range(3):
        case.run()
    ended(op, 3)
    assert op.log == [["POST", "GET", ""]] * 3


@pytest.mark.row("F-OP-16")
def test_who_signs_in_beside_others_has_a_connection_to_themselves(shell, provider):
    """Each connection carries one code, and then the token of the same one."""
    users, seen = 8, []

    def script(peer):
        mine = []
        seen.append(mine)
        while data := peer.read_request():
            mine.append(data.partition(b"user-")[2][:1])
            peer.send(reply(b"tokens " + mine[-1]))

    op = provider(script)
    cases = [
        Signing(shell, post(op.url, b"code=user-%d" % user), replace(get(op.url), headers={"authorization": f"Bearer user-{user}"}))
        for user in range(users)
    ]
    if shell == "asgi":

        async def all_of_them():
            await asyncio.gather(*(arun(case.whole(), AsyncWorld(cases[0].http)) for case in cases))

        asyncio.run(all_of_them())
    else:
        threads = [threading.Thread(target=case.run) for case in cases]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(AMPLE)
    assert sorted(seen) == [[b"%d" % user] * 2 for user in range(users)]
    assert [case.answers for case in cases] == [[b"tokens %d" % user] * 2 for user in range(users)]


@pytest.mark.row("F-OP-16", "F-OP-11")
def test_another_origin_has_another_connection(shell, provider):
    """The same machine under another name is another origin: its addresses may differ in a moment."""
    op, other = serving(provider, None), serving(provider, None)
    for place in (other.url, op.url.replace("127.0.0.1", "localhost")):
        assert Signing(shell, post(op.url), get(place)).run() == [b"tokens", b"claims"]
    ended(op, 3)
    ended(other, 1)
    assert (["".join(log) for log in op.log], other.log) == (["POST", "POST", "GET"], [["GET", ""]])


# -- it ends under us -----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.row("F-OP-16")
@pytest.mark.parametrize("seen", [True, False])
@pytest.mark.parametrize("how", [reset, lambda peer: None], ids=["reset", "closed"])
def test_a_provider_that_hangs_up_after_the_tokens(shell, provider, maybe_tls, how, seen):
    """Whether we notice before we ask, or only while we do."""
    op = serving(provider, maybe_tls, lambda peer: (peer.heard(), peer.send(TOKENS), how(peer)))
    assert signing(shell, op, between=arrived if seen else lambda _case: None).run()[-1] == b"claims"
    ended(op, 2)
    assert [method for log in op.log for method in log if method] == ["POST", "GET"]


@pytest.mark.row("F-OP-16")
@pytest.mark.parametrize("how", [reset, lambda peer: None], ids=["reset", "closed"])
def test_a_get_that_gets_lost_is_repeated_once(shell, provider, maybe_tls, how):
    """Over a new connection; and if that one ends as well, that is that."""

    def loses(peer):
        peer.heard()
        peer.send(TOKENS)
        peer.heard()
        how(peer)

    op = serving(provider, maybe_tls, loses)
    assert signing(shell, op).run() == [b"tokens", b"claims"]
    ended(op, 2)
    assert [log[:2] for log in op.log] == [["POST", "GET"], ["GET", ""]]
    op = serving(provider, maybe_tls, loses, lambda peer: (peer.heard(), how(peer)))
    tokens, error = signing(shell, op).run()
    ended(op, 2)
    assert (tokens, error.code, error.sent) == (b"tokens", "provider_unreachable", True)
    assert op.log == [["POST", "GET"], ["GET"]]


@pytest.mark.row("F-OP-08", "F-OP-16")
@pytest.mark.parametrize("cut", [len(CLAIMS) - 1, CLAIMS.index(b"claims")])
def test_half_an_answer_is_no_reason_to_ask_again(shell, provider, cut):
    op = serving(provider, None, lambda peer: (peer.heard(), peer.send(TOKENS), peer.heard(), peer.send(CLAIMS[:cut])))
    _, error = signing(shell, op).run()
    assert (error.code, error.sent) == ("provider_unreachable", True)
    assert op.log == [["POST", "GET"]]


@pytest.mark.row("F-OP-16", "F-OP-05")
def test_both_attempts_have_one_limit_of_time(shell, provider, monkeypatch):
    """The first one takes all the time there is, and then the connection ends: there is none left for another."""
    passed = [0.0]
    monkeypatch.setattr(streams, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + passed[0]))
    monkeypatch.setattr(asyncio.SelectorEventLoop, "time", lambda _loop: time.monotonic() + passed[0])

    def takes_long(peer):
        peer.heard()
        peer.send(TOKENS)
        peer.heard()
        passed[0] += AMPLE

    op = serving(provider, None, takes_long)
    tokens, error = signing(shell, op).run()
    assert (tokens, error.code) == (b"tokens", "provider_timeout")
    assert op.log == [["POST", "GET"]]


@pytest.mark.row("F-OP-05", "F-OP-06")
@pytest.mark.parametrize("part", [0, CLAIMS.index(b"claims") + 2])
def test_who_stops_in_the_middle_meets_the_limit(shell, provider, part):
    """And is not asked again: there is no time left."""
    op = serving(provider, None, lambda peer: (peer.heard(), peer.send(TOKENS), peer.heard(), peer.send(CLAIMS[:part]), peer.wait()))
    tokens, error = signing(shell, op, deadline=1.5).run()
    assert (tokens, error.code, error.sent) == (b"tokens", "provider_timeout", True)
    assert op.log == [["POST", "GET"]]
