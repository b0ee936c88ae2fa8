"""What the log says, and what it refuses to repeat."""

import logging

import pytest

from oidc_middleware.audit import MAX_FIELD, MAX_LINES_PER_SECOND, AuditLog, escaped


@pytest.mark.row("LG-02")
@pytest.mark.parametrize(
    "hostile", ["a\r\nb", "\x1b[31mred", "\u2028", "\u202e", "\x00", "\x9b", "\ud800", "%s %(x)s {} ${jndi:ldap://x}", "x" * 100_000]
)
def test_no_field_leaves_its_line(hostile, caplog):
    caplog.set_level(logging.DEBUG, "oidc_middleware")
    AuditLog().write(0, "login.failed", logging.WARNING, "state_missing", hostile, "c1d")
    [record] = caplog.records
    message = record.getMessage()
    assert message.startswith("login.failed reason=state_missing cid=c1d detail=")
    assert message.isascii()
    assert message.isprintable()
    assert len(escaped(hostile)) <= MAX_FIELD


def test_records_carry_their_parts_for_structured_handlers(caplog):
    caplog.set_level(logging.DEBUG, "oidc_middleware")
    AuditLog().write(0, "login.ok", logging.INFO, correlation_id="abc")
    [record] = caplog.records
    assert (record.event, record.code, record.correlation_id) == ("login.ok", "", "abc")
    assert record.getMessage() == "login.ok cid=abc"


@pytest.mark.row("LG-03")
def test_a_flood_is_counted_instead_of_written(caplog):
    caplog.set_level(logging.DEBUG, "oidc_middleware")
    log = AuditLog()
    for number in range(10_000):
        log.write(100.0, "login.failed", logging.WARNING, detail=str(number))
    log.write(100.0, "login.ok", logging.INFO)
    assert len(caplog.records) == MAX_LINES_PER_SECOND + 1, "what went well is told all the same"
    log.write(101.0, "login.failed", logging.WARNING)
    assert f"suppressed={10_000 - MAX_LINES_PER_SECOND}" in caplog.records[-1].getMessage()
    log.write(101.0, "login.failed", logging.WARNING)
    assert "suppressed" not in caplog.records[-1].getMessage()


def test_what_nobody_listens_to_costs_nothing(caplog):
    caplog.set_level(logging.ERROR, "oidc_middleware")
    log = AuditLog()
    log.write(0, "login.ok", logging.INFO)
    assert caplog.records == []


@pytest.mark.row("LG-03", "LG-01")
def test_faults_are_counted_too_and_never_quoted(caplog):
    log = AuditLog()
    for _ in range(1000):
        try:
            raise LookupError(str(len("secret") * 7919))
        except LookupError as error:
            log.fault(100.0, error)
    assert len(caplog.records) == MAX_LINES_PER_SECOND
    assert "internal error: LookupError" in caplog.text
    assert str(6 * 7919) not in caplog.text


@pytest.mark.row("LG-02")
def test_the_limits_are_where_they_say():
    assert (MAX_FIELD, MAX_LINES_PER_SECOND) == (256, 20)
    assert escaped("x" * 256) == "x" * 256
    assert escaped("x" * 257) == "x" * 255 + "~"
    assert escaped("\n" * 128) == "\\n" * 128
    assert escaped("\n" * 129) == "\\n" * 127 + "\\~"


@pytest.mark.row("LG-01")
def test_a_fault_is_told_by_type_and_place_alone(caplog):
    def fail():
        raise LookupError("eyJ.secret.token")

    try:
        fail()
    except LookupError as error:
        AuditLog().fault(7.0, error)
    [record] = caplog.records
    message = record.getMessage()
    assert (record.name, record.levelname, record.exc_info) == ("oidc_middleware", "ERROR", None)
    assert message.startswith("internal error: LookupError\n")
    assert "test_audit.py" in message
    assert "in fail" in message
    assert "secret" not in message.replace('raise LookupError("eyJ.secret.token")', "")


@pytest.mark.row("LG-03")
def test_lines_that_were_left_out_are_told_once_and_those_of_other_levels_are_not_counted(caplog):
    caplog.set_level(logging.DEBUG, "oidc_middleware")
    log = AuditLog()
    for number in range(MAX_LINES_PER_SECOND):
        log.write(7.0, "login.ok", logging.INFO)
        log.write(7.0 + number / 100, "login.failed", logging.WARNING)
    assert len(caplog.records) == 2 * MAX_LINES_PER_SECOND
    log.write(7.99, "login.failed", logging.ERROR)
    assert len(caplog.records) == 2 * MAX_LINES_PER_SECOND, "one too many, however loud"
    log.write(8.0, "login.failed", logging.WARNING, "code", "detail", "c1d")
    assert caplog.records[-1].getMessage() == "login.failed reason=code cid=c1d detail=detail suppressed=1"


def test_a_fault_tells_what_was_left_out_before_it(caplog):
    log = AuditLog()
    for _ in range(MAX_LINES_PER_SECOND + 5):
        log.write(1.0, "x", logging.WARNING)
    log.fault(2.0, LookupError())
    assert "internal error: LookupError suppressed=5" in caplog.text
