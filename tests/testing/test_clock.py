"""The fake clock: time stands still, bytes never repeat."""

from oidc_middleware.testing import FakeClock


def test_time_moves_only_when_told():
    clock = FakeClock(now=100)
    assert (clock.now(), clock.now()) == (100, 100)
    clock.advance(2.5)
    assert clock.now() == 102.5
    clock.set(7)
    assert clock.now() == 7


def test_bytes_are_reproducible_and_unique():
    first, second, other = FakeClock(), FakeClock(), FakeClock(seed="other")
    drawn = [first.random(32) for _ in range(1000)]
    assert drawn == [second.random(32) for _ in range(1000)]
    assert len(set(drawn)) == 1000
    assert not set(drawn) & {other.random(32) for _ in range(1000)}
    assert len(first.random(5)) == 5
