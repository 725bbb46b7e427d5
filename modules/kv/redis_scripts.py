"""What runs inside Redis, atomically: Lua, one script for each verb.

Below the prefix P there are:

    P:value:KEY   a hash: value (JSON), version, deadline, ttl
    P:deadlines   a sorted set: KEY by deadline
    P:floor       the highest version at which a key has ended
    P:store       the identity of all this, made with the first change; it ends with the data
    P:changes     a channel: every change as JSON

Times are Redis' own (`TIME`), in whole microseconds, so that no machine's clock counts. Beyond its
deadline a value stays for `GRACE`: whoever sweeps first finds its version there, and only one does.
It is not read any more. The last argument of each script is 1 where the end of a key is to tell its
value. Numbers are formatted by hand, since Lua writes 14 digits.

Keys are computed from `P`, so on Redis Cluster `P` needs a hash tag: `{dskity}`.
"""

from __future__ import annotations

from dskity.modules.kv.last_values import MAX_VALUE

GRACE_MS = 86_400_000
"""A day. When no runtime has swept for so long, Redis drops the value, and no event is made."""

_PRELUDE = f"""
local prefix, origin = KEYS[1], ARGV[1]
local deadlines, floor_key = prefix .. ':deadlines', prefix .. ':floor'
local carries = ARGV[#ARGV] == '1'

local function digits(number) return string.format('%.0f', number) end

-- Who and when is enough to tell it from those that were and will be here.
local function store_id(now)
    local id = redis.call('GET', prefix .. ':store')
    if not id then
        id = origin .. '-' .. digits(now)
        redis.call('SET', prefix .. ':store', id)
    end
    return id
end

local function value_key(key) return prefix .. ':value:' .. key end

local function time()
    local now = redis.call('TIME')
    return now[1] * 1000000 + now[2]
end

local function tell(kind, key, version, previous, ttl, value)
    redis.call('PUBLISH', prefix .. ':changes', cjson.encode({{
        origin = origin, kind = kind, key = key, version = digits(version),
        previous = digits(previous), ttl = ttl, value = value,
    }}))
end

-- The value of a key that is about to end, for its event; '' where none is carried.
local function last(key)
    if not carries or redis.call('HSTRLEN', value_key(key), 'value') > {MAX_VALUE} then
        return ''
    end
    return redis.call('HGET', value_key(key), 'value') or ''
end

-- At `maxmemory` Redis refuses SET and still does DEL: so SET comes first, always, and where it is
-- refused nothing has changed, and no event is lost. What was done before an error is not undone.
local function finish(kind, key, version, ttl)
    local floor = tonumber(redis.call('GET', floor_key) or '0')
    redis.call('SET', floor_key, digits(math.max(floor, version)))
    redis.call('DEL', value_key(key))
    redis.call('ZREM', deadlines, key)
    tell(kind, key, version, version, ttl, '')
end

-- The version of a key that lives (0: none); and what has just expired here, as
-- {{version, ttl, value}}.
local function present(key, now)
    local found = redis.call('HMGET', value_key(key), 'version', 'deadline', 'ttl')
    local version = tonumber(found[1] or '0')
    if version > 0 and found[2] ~= '' and tonumber(found[2]) <= now then
        local value = last(key)
        finish('expired', key, version, found[3])
        return 0, {{digits(version), found[3], value}}, found[3]
    end
    return version, {{}}, found[3]
end

local function refused(wanted, version)
    return wanted ~= '' and tonumber(wanted) ~= version
end

local function store(key, value, version, ttl, now)
    local deadline = ''
    if ttl ~= '' then deadline = digits(now + math.floor(ttl * 1000000 + 0.5)) end
    redis.call('HSET', value_key(key),
        'value', value, 'version', digits(version), 'deadline', deadline, 'ttl', ttl)
    if ttl == '' then
        redis.call('PERSIST', value_key(key))
        redis.call('ZREM', deadlines, key)
    else
        redis.call('PEXPIREAT', value_key(key), digits(math.ceil(deadline / 1000) + {GRACE_MS}))
        redis.call('ZADD', deadlines, deadline, key)
    end
end
"""

READ = (
    _PRELUDE
    + """
local key = ARGV[2]
local found = redis.call('HMGET', value_key(key), 'value', 'version', 'deadline')
if not found[2] then return {} end
if found[3] == '' then return {found[1], found[2], ''} end
local left = tonumber(found[3]) - time()
if left <= 0 then return {} end
return {found[1], found[2], digits(left)}
"""
)
"""→ {} or {value, version, microseconds left or ''}."""

PUT = (
    _PRELUDE
    + """
local key, value, ttl, wanted = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local now = time()
local id = store_id(now)
local version, expired = present(key, now)
if refused(wanted, version) then return {0, id, digits(version), expired} end
local new = version + 1
if version == 0 then new = tonumber(redis.call('GET', floor_key) or '0') + 1 end
store(key, value, new, ttl, now)
tell('set', key, new, version, ttl, value)
return {1, id, digits(version), expired, digits(new)}
"""
)
"""→ {stored, store, version before, expired, new version}."""

DELETE = (
    _PRELUDE
    + """
local key, wanted = ARGV[2], ARGV[3]
local now = time()
local id = store_id(now)
local version, expired, ttl = present(key, now)
if refused(wanted, version) then return {0, id, digits(version), expired} end
local value = ''
if version > 0 then
    value = last(key)
    finish('deleted', key, version, ttl)
end
return {1, id, digits(version), expired, ttl or '', value}
"""
)
"""→ {deleted, store, version before, expired, time to live, value}."""

SWEEP = (
    _PRELUDE
    + """
local now = time()
local id = store_id(now)
local claimed, room = {}, tonumber(ARGV[3])
local due = redis.call('ZRANGEBYSCORE', deadlines, '-inf', digits(now), 'LIMIT', 0, ARGV[2])
for _, key in ipairs(due) do
    local _, expired = present(key, now)
    redis.call('ZREM', deadlines, key)
    if expired[1] then
        claimed[#claimed + 1] = {key, expired[1], expired[2], expired[3]}
        room = room - #expired[3]
        if room <= 0 then break end
    end
end
local next = redis.call('ZRANGE', deadlines, 0, 0, 'WITHSCORES')
return {id, claimed, next[2] and digits(tonumber(next[2]) - now) or ''}
"""
)
"""→ {store, {{key, version, ttl, value}…}, microseconds until the next deadline or ''}; each of
them claimed just now."""
