"""The scripts that Redis runs: each is all or nothing, and touches one key; but for ``end``, for single servers, which touches those of one batch.

They are sent whole each time (``EVAL``), so that no restart and no failover loses them.

What is under a key and is not ours counts as absent, whatever its type (catalogue F-ST-12).
"""

from __future__ import annotations

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

_BURY: Final = f"""{_KNOWN}
local there = known and not buried
if there or ARGV[3] == 'always' then redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[4]) end
return there and 1 or 0
"""

#: Ends what an index names, as many at a time as are told; on a single server alone, for the names of sessions are made here. The head of each is
#: enough, which may have kilobytes behind it: format (``oid1`` as a number), version, expiry. It answers how many lived, and how many it looked at.
#: Locals, as looking globals up costs a tenth. Numbers as text, for Redis takes as long to write one as to set a key; hence, too, a new time to live
#: for every tenth alone.
_END: Final = """
local call, pcall, unpack = redis.call, redis.pcall, struct.unpack
local now, ttl, step, ended, lasting = tonumber(ARGV[3]), tonumber(ARGV[5]), tonumber(ARGV[6]), 0, ARGV[5]
local members = call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', '0', ARGV[7])
for number, member in ipairs(members) do
  local name = ARGV[2] .. member
  local known = pcall('GETRANGE', name, '0', '23')
  if type(known) == 'string' and #known == 24 then
    local form, version, expires = unpack('>I4I8d', known)
    if form == 0x6f696431 and version ~= 0 and expires > now then
      if number % 10 == 0 then lasting = string.format('%d', ttl + number * step) end
      call('SET', name, ARGV[4], 'PX', lasting)
      ended = ended + 1
    end
  end
end
if #members > 0 then call('ZREMRANGEBYRANK', KEYS[1], 0, #members - 1) end
return {ended, #members}
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


def bury(name: str, stone: bytes, now: float, ttl: int, *, always: bool) -> Command:
    """Put *stone* in the place of a session, or also where there is none: 1 or 0, as there was one."""
    return _script(_BURY, name, now, stone, "always" if always else "", ttl)


def end(index: str, prefix: str, stone: bytes, issued_until: float, now: float, ttl: int, step: int, most: int) -> Command:
    """Put *stone* in the place of the oldest *most* sessions that *index* names, and take them out of it: how many there were, and were named.

    *prefix* makes names of members. Each stone stays for *step* longer than the one before. Only for a server that holds all keys.
    """
    return _script(_END, index, float(issued_until), prefix, now, stone, ttl, step, most)


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
