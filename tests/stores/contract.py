"""What every store must do, whatever it is made of: a store is finished when this passes (``test_contract.py`` runs it)."""

from __future__ import annotations

import threading

import pytest

from oidc_middleware.stores import Record
from tests.stores.harness import NOW, new


class Sessions:
    def test_a_new_session_is_found_until_it_expires(self, store):
        assert store.get("k1", NOW) is None
        assert new(store, ttl=60)
        assert store.get("k1", NOW) == Record(b"sealed", 1)
        assert store.get("k1", NOW + 59.9) == Record(b"sealed", 1)
        assert store.get("k1", NOW + 60) is None
        assert store.get("k2", NOW) is None

    def test_data_is_kept_byte_for_byte(self, store):
        for number, data in enumerate([b"", b"\0", bytes(range(256)), b"\n\r\n$5\r\n", b"x" * 100_000]):
            assert new(store, f"k{number}", data)
            assert store.get(f"k{number}", NOW).data == data

    def test_any_printable_key_is_a_key(self, store):
        keys = ["../../x", "*", "a?b", "[a-z]", "{a}b", "a:b", "'; DROP TABLE session; --", "%s%n", "~" * 200]
        for key in keys:
            assert new(store, key, key.encode(), indexes=(f"index {key}",))
        assert [store.get(key, NOW).data for key in keys] == [key.encode() for key in keys]
        assert store.delete_index("index *", issued_until=NOW, keep=60, now=NOW) == 1
        assert [store.get(key, NOW) is not None for key in keys] == [key != "*" for key in keys]

    def test_a_key_is_taken_once(self, store):
        assert new(store, data=b"mine")
        assert not new(store, data=b"another's", indexes=("sub-2",))
        assert store.get("k1", NOW).data == b"mine"
        assert store.delete_index("sub-2", issued_until=NOW + 9, keep=60, now=NOW) == 0
        assert store.get("k1", NOW).data == b"mine"

    @pytest.mark.row("F-ST-13")
    def test_the_same_write_again_is_the_same_write(self, store):
        """Its answer may have been lost."""
        assert new(store, data=b"one")
        assert new(store, data=b"one")
        assert store.replace("k1", b"two", 1, ttl=60, now=NOW)
        assert store.replace("k1", b"two", 1, ttl=60, now=NOW)
        assert store.get("k1", NOW) == Record(b"two", 2)
        assert not store.replace("k1", b"other", 1, ttl=60, now=NOW)
        assert store.get("k1", NOW) == Record(b"two", 2)

    def test_an_expired_key_can_be_used_again(self, store):
        assert new(store, data=b"old", ttl=10)
        assert new(store, data=b"new", now=NOW + 10)
        assert store.get("k1", NOW + 10) == Record(b"new", 1)

    def test_replace_counts_versions_and_prolongs(self, store):
        new(store, ttl=60)
        assert store.replace("k1", b"two", 1, ttl=60, now=NOW + 50)
        assert store.get("k1", NOW + 109) == Record(b"two", 2)
        assert store.get("k1", NOW + 110) is None

    def test_a_session_without_an_index_is_one_too(self, store):
        assert new(store, indexes=())
        assert not store.replace("k1", b"two", 0, ttl=60, now=NOW)
        assert store.replace("k1", b"two", 1, ttl=60, now=NOW)
        assert store.get("k1", NOW) == Record(b"two", 2)

    def test_replace_can_shorten(self, store):
        new(store, ttl=600)
        assert store.replace("k1", b"two", 1, ttl=5, now=NOW)
        assert store.get("k1", NOW + 4) == Record(b"two", 2)
        assert store.get("k1", NOW + 5) is None

    @pytest.mark.row("SF-05", "F-ST-13")
    def test_of_two_who_replace_the_same_version_one_is_refused(self, store):
        new(store)
        assert store.replace("k1", b"first", 1, ttl=60, now=NOW)
        assert not store.replace("k1", b"second", 1, ttl=60, now=NOW)
        assert not store.replace("k1", b"third", 9, ttl=60, now=NOW)
        assert store.get("k1", NOW) == Record(b"first", 2)

    @pytest.mark.row("SF-05", "F-ST-13")
    def test_nothing_brings_a_deleted_session_back(self, store):
        new(store)
        new(store, "k2")
        assert store.delete("k1", keep=60, now=NOW)
        assert not store.replace("k1", b"late", 1, ttl=60, now=NOW)
        assert not new(store)
        assert not new(store, data=b"another", indexes=())
        assert store.get("k1", NOW) is None
        assert not store.delete("k1", keep=60, now=NOW)
        assert store.get("k2", NOW) == Record(b"sealed", 1)

    @pytest.mark.row("SF-05")
    def test_a_delete_that_comes_before_the_write_stands(self, store):
        assert not store.delete("k1", keep=60, now=NOW)
        assert not new(store, now=NOW + 59)
        assert store.get("k1", NOW) is None
        assert new(store, now=NOW + 60)
        assert store.get("k1", NOW + 60) == Record(b"sealed", 1)

    @pytest.mark.row("F-ST-13")
    def test_an_expired_session_is_not_replaced(self, store):
        new(store, ttl=10)
        assert not store.replace("k1", b"late", 1, ttl=60, now=NOW + 10)
        assert store.get("k1", NOW + 10) is None
        assert not store.replace("never", b"late", 1, ttl=60, now=NOW)
        assert store.get("never", NOW) is None

    def test_deleting_an_expired_session_deletes_nothing(self, store):
        new(store, ttl=10)
        assert not store.delete("k1", keep=60, now=NOW + 10)


class Indexes:
    @pytest.mark.row("LT-19", "DS-09")
    def test_all_sessions_of_an_index_die_and_no_other(self, store):
        for number in range(20):
            new(store, f"k{number}", indexes=(f"sid-{number}", "sub-1" if number % 2 else "sub-2"), issued_at=NOW - 20 + number)
        assert store.delete_index("sub-1", issued_until=NOW, keep=60, now=NOW) == 10
        assert [number for number in range(20) if store.get(f"k{number}", NOW)] == list(range(0, 20, 2))
        assert store.delete_index("sid-4", issued_until=NOW, keep=60, now=NOW) == 1
        assert store.get("k4", NOW) is None
        assert store.get("k6", NOW) is not None

    @pytest.mark.row("LT-16")
    def test_sessions_issued_after_the_logout_stay(self, store):
        new(store, "before", issued_at=NOW - 1)
        new(store, "then", issued_at=NOW)
        new(store, "after", issued_at=NOW + 0.5)
        assert store.delete_index("sub-1", issued_until=NOW, keep=60, now=NOW + 1) == 2
        assert [store.get(key, NOW + 1) is not None for key in ("before", "then", "after")] == [False, False, True]
        assert store.delete_index("sub-1", issued_until=NOW + 0.5, keep=60, now=NOW + 1) == 1

    @pytest.mark.row("LT-14", "LT-16")
    def test_a_logout_that_comes_first_is_remembered(self, store):
        assert store.delete_index("sub-1", issued_until=NOW, keep=60, now=NOW) == 0
        assert not new(store, issued_at=NOW, indexes=("sid-1", "sub-1"), now=NOW + 59)
        assert not new(store, issued_at=NOW - 5, indexes=("sub-1",), now=NOW + 1)
        assert store.get("k1", NOW + 1) is None
        assert new(store, "k2", issued_at=NOW + 1, now=NOW + 1)
        assert new(store, "k3", issued_at=NOW, indexes=("sub-2",), now=NOW + 1)
        assert new(store, "k4", issued_at=NOW, now=NOW + 60)
        assert [store.get(key, NOW + 60) is not None for key in ("k1", "k2", "k3", "k4")] == [False, True, True, True]

    @pytest.mark.row("SF-05")
    def test_a_session_deleted_by_its_index_does_not_come_back(self, store):
        new(store)
        assert store.delete_index("sub-1", issued_until=NOW, keep=60, now=NOW) == 1
        assert not store.replace("k1", b"late", 1, ttl=60, now=NOW)
        assert not new(store, issued_at=NOW + 5, now=NOW + 5)
        assert store.get("k1", NOW + 5) is None

    @pytest.mark.row("LT-18")
    def test_deleting_again_deletes_what_is_left(self, store):
        for number in range(30):
            new(store, f"k{number}")
        assert store.delete_index("sub-1", issued_until=NOW, keep=60, now=NOW) == 30
        assert store.delete_index("sub-1", issued_until=NOW, keep=60, now=NOW) == 0

    def test_deleted_and_expired_sessions_are_not_counted(self, store):
        new(store, "k1")
        new(store, "k2", ttl=5)
        new(store, "k3")
        store.delete("k1", keep=60, now=NOW)
        assert store.delete_index("sub-1", issued_until=NOW, keep=60, now=NOW + 5) == 1

    def test_a_session_kept_up_stays_in_its_index(self, store):
        """The index must outlive what the session was given at first (LT-19)."""
        new(store, ttl=100)
        for step in range(1, 20):
            assert store.replace("k1", b"%d" % step, step, ttl=100, now=NOW + 75 * step)
        assert store.delete_index("sub-1", issued_until=NOW, keep=60, now=NOW + 75 * 19 + 1) == 1
        assert store.get("k1", NOW + 75 * 19 + 1) is None

    def test_more_sessions_than_are_handled_at_once(self, store):
        for number in range(1_203):
            new(store, f"k{number}", issued_at=NOW + number % 2)
        assert store.delete_index("sub-1", issued_until=NOW, keep=60, now=NOW) == 602
        assert [number for number in range(1_203) if store.get(f"k{number}", NOW)] == list(range(1, 1_203, 2))

    @pytest.mark.row("LT-12")
    def test_an_index_holds_what_lives(self, store):
        assert not store.holds("sub-1", NOW)
        new(store, "k1", indexes=("sid-1", "sub-1"), ttl=60)
        new(store, "k2", indexes=("sid-2", "sub-1"), ttl=10, issued_at=NOW - 5)
        assert [store.holds(index, NOW) for index in ("sid-1", "sid-2", "sub-1", "sid-3", "k1", "")] == [True, True, True, False, False, False]
        assert [store.holds(index, NOW + 10) for index in ("sid-1", "sid-2", "sub-1")] == [True, False, True], "expired"
        assert store.replace("k1", b"two", 1, ttl=90, now=NOW + 10)
        assert store.holds("sid-1", NOW + 99), "kept up"
        assert store.delete("k1", keep=60, now=NOW)
        assert [store.holds(index, NOW) for index in ("sid-1", "sub-1")] == [False, True], "deleted"
        assert store.delete_index("sid-2", issued_until=NOW, keep=60, now=NOW) == 1
        assert not store.holds("sub-1", NOW), "ended"
        store.mark("sub-1", issued_until=NOW - 60, keep=60, now=NOW)
        assert not store.holds("sub-1", NOW), "a mark is no session"

    @pytest.mark.row("LT-12")
    def test_one_that_lives_is_found_among_many_that_do_not(self, store):
        new(store, "first", issued_at=NOW - 5)
        for number in range(1_001):
            new(store, f"k{number}", ttl=5)
        assert store.holds("sub-1", NOW + 5)
        store.delete("first", keep=60, now=NOW + 5)
        assert not store.holds("sub-1", NOW + 5)


class Marks:
    def test_a_mark_is_remembered_and_never_lowered(self, store):
        assert store.marks(("sid-1", "sub-1"), NOW) is None
        store.mark("sub-1", issued_until=NOW, keep=60, now=NOW)
        store.mark("sub-1", issued_until=NOW - 10, keep=5, now=NOW)
        assert store.marks(("sub-1",), NOW + 59) == NOW
        assert store.marks(("sub-1",), NOW + 60) is None
        store.mark("sub-1", issued_until=NOW - 20, keep=60, now=NOW + 60)
        assert store.marks(("sub-1",), NOW + 60) == NOW - 20

    def test_the_latest_mark_counts(self, store):
        store.mark("sid-1", issued_until=NOW - 3.25, keep=60, now=NOW)
        store.mark("sub-1", issued_until=NOW - 2.125, keep=60, now=NOW)
        assert store.marks(("sid-1", "sub-1", "sub-9"), NOW) == NOW - 2.125
        assert store.marks(("sid-1",), NOW) == NOW - 3.25
        assert store.marks(("sub-9",), NOW) is None
        assert store.marks((), NOW) is None


class ClaimsAndLeases:
    def test_a_claim_is_granted_once(self, store):
        assert store.claim("jti-1", 60, NOW)
        assert not store.claim("jti-1", 60, NOW + 59)
        assert store.claim("jti-2", 60, NOW)
        assert store.claim("jti-1", 60, NOW + 60)

    def test_a_claim_can_be_given_back(self, store):
        assert store.claim("jti-1", 60, NOW)
        store.forget("jti-1")
        store.forget("never")
        assert store.claim("jti-1", 60, NOW)

    def test_a_lease_has_one_owner(self, store):
        assert store.acquire("r1", "one", 10, NOW)
        assert not store.acquire("r1", "two", 10, NOW + 9)
        assert store.acquire("r1", "one", 10, NOW + 9)
        assert not store.acquire("r1", "two", 10, NOW + 18)
        assert store.acquire("r1", "two", 10, NOW + 19)

    def test_only_its_owner_releases_a_lease(self, store):
        assert store.acquire("r1", "one", 10, NOW)
        store.release("r1", "two")
        assert not store.acquire("r1", "two", 10, NOW)
        store.release("r1", "one")
        store.release("never", "one")
        assert store.acquire("r1", "two", 10, NOW)

    def test_sessions_marks_claims_and_leases_do_not_meet(self, store):
        new(store, "x", indexes=("x",))
        store.mark("x", issued_until=NOW - 5, keep=60, now=NOW)
        assert store.claim("x", 60, NOW)
        assert store.acquire("x", "one", 60, NOW)
        store.forget("x")
        assert not store.acquire("x", "two", 60, NOW)
        assert store.delete("x", keep=60, now=NOW)
        assert store.marks(("x",), NOW) == NOW - 5


class Together:
    @pytest.mark.row("F-PR-07")
    def test_of_many_threads_one_wins(self, store):
        new(store)
        won = {"create": 0, "replace": 0, "claim": 0, "acquire": 0}
        start, lock = threading.Barrier(8), threading.Lock()

        def run(number):
            start.wait(20)
            results = {
                "create": new(store, "contested", b"by %d" % number),
                "replace": store.replace("k1", b"by %d" % number, 1, ttl=60, now=NOW),
                "claim": store.claim("jti", 60, NOW),
                "acquire": store.acquire("lease", f"owner-{number}", 60, NOW),
            }
            with lock:
                for name, result in results.items():
                    won[name] += result

        threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert won == {"create": 1, "replace": 1, "claim": 1, "acquire": 1}
        assert store.get("k1", NOW).version == 2

    @pytest.mark.row("LT-16")
    def test_a_login_racing_its_logout_does_not_survive(self, store):
        """Whichever of the two comes first."""
        start = threading.Barrier(2)
        alive = []

        def log_in():
            for number in range(40):
                start.wait(20)
                new(store, f"k{number}", indexes=(f"sub-{number}",))

        thread = threading.Thread(target=log_in)
        thread.start()
        for number in range(40):
            start.wait(20)
            store.delete_index(f"sub-{number}", issued_until=NOW, keep=60, now=NOW)
        thread.join(30)
        alive = [number for number in range(40) if store.get(f"k{number}", NOW)]
        assert alive == []

    def test_a_sound_store_has_no_problems(self, store):
        assert store.check() == []
        store.close()
        assert new(store, "reopened")


class Contract(Sessions, Indexes, Marks, ClaimsAndLeases, Together):
    """All of it. Wants a fixture ``store``: an empty store, called synchronously."""
