"""The scripts that Redis runs: each is all or nothing, and touches one key, or on a single server those of one batch.

They are sent whole each time (``EVAL``), so that no restart and no failover loses them.

What is under a key and is not ours counts as absent, whatever its type (catalogue F-ST-12).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

Command = tuple[str | bytes, ...]

#: A session or tombstone that has not expired: ``known``, and its version. The positions are those of ``_HEAD`` in redis_plans.
_KNOWN: Final = """
local known = redis.pcall('GET', KEYS[1])
local now = tonumber(ARGV[1])
if type(known) ~= 'string' or #known < 24 or string.sub(known, 1, 4) ~= 'oid1' or not (struct.unpack('>d', known, 13) > now) then known = nil end
local version = known and string.sub(known, 5, 12)
local buried = version == string.rep(string.char(0), 8)
"""

_CREATE: Final = f"""{_KNOWN}
if known then return (string.sub(known, 25) == string.sub(ARGV[2], 25)) and 1 or 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""

_REPLACE: Final = f"""{_KNOWN}
if not known or buried then return false end
local length = struct.unpack('>I4', known, 21)
if version == ARGV[3] and string.sub(known, 25 + length) == ARGV[5] then return string.sub(known, 25, 24 + length) end
if version ~= ARGV[2] then return false end
redis.call('SET', KEYS[1], 'oid1' .. ARGV[3] .. ARGV[4] .. string.sub(known, 21, 24 + length) .. ARGV[5], 'PX', ARGV[6])
return string.sub(known, 25, 24 + length)
"""

#: For many sessions at once, which is only for servers that hold them all. The head of each is enough, which may have kilobytes behind it.
_BURY: Final = """
local ended, now = 0, tonumber(ARGV[1])
for number, name in ipairs(KEYS) do
  local known = redis.pcall('GETRANGE', name, 0, 23)
  local there = type(known) == 'string' and #known == 24 and string.sub(known, 1, 4) == 'oid1'
  there = there and string.sub(known, 5, 12) ~= string.rep(string.char(0), 8) and struct.unpack('>d', known, 13) > now
  if there or ARGV[3] == 'always' then redis.call('SET', name, ARGV[2], 'PX', ARGV[4] + number * ARGV[5]) end
  if there then ended = ended + 1 end
end
return ended
"""

_JOIN: Final = """
redis.call('ZADD', KEYS[1], 'NX', ARGV[1], ARGV[2])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[3]) then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
return redis.call('ZCARD', KEYS[1])
"""

_MARK: Final = """
local known = redis.pcall('GET', KEYS[1])
local mark, expires, ttl = ARGV[2], ARGV[3], tonumber(ARGV[4])
if type(known) == 'string' then
  local m, e = string.match(known, '^(%S+) (%S+)$')
  m, e = m and tonumber(m) and m, e and tonumber(e) and e
  if m and e and tonumber(e) > tonumber(ARGV[1]) then
    if tonumber(m) > tonumber(mark) then mark = m end
    if tonumber(e) > tonumber(expires) then expires = e end
    ttl = math.max(ttl, redis.call('PTTL', KEYS[1]))
  end
end
redis.call('SET', KEYS[1], mark .. ' ' .. expires, 'PX', ttl)
return 1
"""

_OWN: Final = """
local known = redis.pcall('GET', KEYS[1])
if type(known) == 'string' then
  local e, owner = string.match(known, '^(%S+) (.*)$')
  if e and tonumber(e) and tonumber(e) > tonumber(ARGV[1]) and owner ~= ARGV[2] then return 0 end
end
redis.call('SET', KEYS[1], ARGV[3] .. ' ' .. ARGV[2], 'PX', ARGV[4])
return 1
"""

_DISOWN: Final = """
local known = redis.pcall('GET', KEYS[1])
if type(known) == 'string' and string.match(known, '^%S+ (.*)$') == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1
"""


def _script(script: str, name: str, *arguments: str | bytes | float) -> Command:
    return ("EVAL", script, "1", name, *(argument if isinstance(argument, str | bytes) else repr(argument) for argument in arguments))


def create(name: str, value: bytes, now: float, ttl: int) -> Command:
    """Store *value* unless a session or tombstone is there: 1, or 0. *ttl* is in milliseconds, here and below."""
    return _script(_CREATE, name, now, value, ttl)


def replace(name: str, version: bytes, after: bytes, expires: bytes, data: bytes, now: float, ttl: int) -> Command:
    """Replace the data of a session of *version*: what describes the session, or nil."""
    return _script(_REPLACE, name, now, version, after, expires, data, ttl)


def bury(names: Sequence[str], stone: bytes, now: float, ttl: int, step: int, *, always: bool) -> Command:
    """Put *stone* in the place of sessions, or also where there are none: how many there were. Each stays for *step* longer than the one before."""
    return ("EVAL", _BURY, str(len(names)), *names, repr(now), stone, "always" if always else "", str(ttl), str(step))


def join(name: str, member: str, issued_at: float, ttl: int) -> Command:
    """Add *member* to an index and let that live for *ttl* at least: the number of its members."""
    return _script(_JOIN, name, float(issued_at), member, ttl)


def mark(name: str, issued_until: float, expires: float, ttl: int, now: float) -> Command:
    """Set a mark, or raise one."""
    return _script(_MARK, name, now, float(issued_until), float(expires), ttl)


def own(name: str, owner: str, expires: float, ttl: int, now: float) -> Command:
    """Make *owner* the owner: 1, or 0 while somebody else is."""
    return _script(_OWN, name, now, owner, float(expires), ttl)


def disown(name: str, owner: str) -> Command:
    """Let go of what *owner* owns."""
    return _script(_DISOWN, name, owner)
