"""The Lua scripts of the store in Redis: each runs as one step.

All keys of a store begin with one prefix, the first and only key that each script gets:

- `entries`: a hash, the value of each entry. `records`: a hash, what eviction needs of each token record.
- `listed:GROUP`: a sorted set, the entries of a group without its token records, in order of the first write.
- `records:GROUP`: a set, the token records of a group. `groups`: a set, the groups that have any.
- `versions`: a hash, the version of each group. `usage`: a hash, how much the token records use.
- `exchanges`: a stream, the journal. `exchanges:OWNER`: a sorted set, the numbers of an owner's exchanges.
- `journal`: a hash, its id, its last number and its size. `dropped`: a hash, how many each owner has lost.
- `owners`: a set, the owners that have any exchanges.
"""

from mockmoov.storage.redis_server import Script

# A version begins with the time, so that it is a new one even after the server has lost its data.
_COMMON = """
local prefix = KEYS[1]
local entries, records = prefix .. 'entries', prefix .. 'records'
local versions, usage, groups = prefix .. 'versions', prefix .. 'usage', prefix .. 'groups'

local function microseconds()
    local time = redis.call('TIME')
    return string.format('%.0f', time[1] * 1000000 + time[2])
end

local function changed(group)
    if redis.call('HSETNX', versions, group, 0) == 1 then
        redis.call('HSET', versions, group, microseconds())
    else
        redis.call('HINCRBY', versions, group, 1)
    end
end

local function size_of(record)
    return record and tonumber(string.match(record, '%d+')) or 0
end

local function write(key, value, group, record)
    redis.call('HSET', entries, key, value)
    redis.call('SADD', groups, group)
    if record == '' then
        local listed = prefix .. 'listed:' .. group
        if not redis.call('ZSCORE', listed, key) then
            redis.call('ZADD', listed, redis.call('HINCRBY', usage, 'position', 1), key)
        end
        changed(group)
    else
        local before = redis.call('HGET', records, key)
        redis.call('HSET', records, key, record)
        redis.call('HINCRBY', usage, 'size', size_of(record) - size_of(before))
        if not before then
            redis.call('SADD', prefix .. 'records:' .. group, key)
            redis.call('HINCRBY', usage, 'records', 1)
        end
    end
end

local function remove(key, group)
    local record = redis.call('HGET', records, key)
    if redis.call('HDEL', entries, key) == 0 then return end
    if record then
        redis.call('HDEL', records, key)
        redis.call('SREM', prefix .. 'records:' .. group, key)
        redis.call('HINCRBY', usage, 'records', -1)
        redis.call('HINCRBY', usage, 'size', -size_of(record))
    else
        redis.call('ZREM', prefix .. 'listed:' .. group, key)
        changed(group)
    end
end

-- A condition is 'any', 'absent', or 'is', and then the value.
local function holds(key, condition, value)
    if condition == 'any' then return true end
    local found = redis.call('HGET', entries, key)
    if condition == 'absent' then return not found end
    return found == value
end

-- In parts, as a call takes no more than some thousand arguments.
local function each_part(items, work)
    for first = 1, #items, 1000 do
        work(unpack(items, first, math.min(first + 999, #items)))
    end
end
"""


def _script(body: str) -> Script:
    return Script(f"{_COMMON}\n{body}")


WRITE = _script("""
local key, value, group, record = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
if not holds(key, ARGV[5], ARGV[6]) or not holds(ARGV[7], ARGV[8], ARGV[9]) then return 0 end
write(key, value, group, record)
return 1
""")
"""key, value, group, record, condition, its value; another key, its condition, the value. 1 if it is done."""

FORGET = _script("""
local forgotten, does_swap, key, group, remains, value = unpack(ARGV, 1, 6)
if does_swap == '1' then
    if not holds(key, ARGV[7], ARGV[8]) then return 0 end
    if remains == '1' then write(key, value, group, '') else remove(key, group) end
end
for _, each in ipairs(redis.call('ZRANGE', prefix .. 'listed:' .. forgotten, 0, -1)) do
    remove(each, forgotten)
end
for _, each in ipairs(redis.call('SMEMBERS', prefix .. 'records:' .. forgotten)) do
    remove(each, forgotten)
end
redis.call('SREM', groups, forgotten)
return 1
""")
"""group; '1' to swap, key, group, '1' to write the value, value, condition, its value. 1 if it is done."""

CLEAR = _script("""
for _, group in ipairs(redis.call('SMEMBERS', groups)) do
    redis.call('DEL', prefix .. 'listed:' .. group, prefix .. 'records:' .. group)
end
redis.call('DEL', entries, records, versions, usage, groups)
for first = 1, #ARGV, 3 do write(ARGV[first + 1], ARGV[first + 2], ARGV[first], '') end
""")
"""group, key, value, of each new entry."""

SCAN = _script("""
local values = {}
each_part(redis.call('ZRANGE', prefix .. 'listed:' .. ARGV[1], 0, -1), function(...)
    for _, value in ipairs(redis.call('HMGET', entries, ...)) do values[#values + 1] = value end
end)
return values
""")
"""group. The values of its entries."""

EVICT = _script("""
for first = 1, #ARGV, 3 do
    local key, record, group = ARGV[first], ARGV[first + 1], ARGV[first + 2]
    if redis.call('HGET', records, key) == record then remove(key, group) end
end
""")
"""key, record, group, of each record."""

# --- the journal --------------------------------------------------------------------------------------

_JOURNAL = """
local prefix, most, most_bytes = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2])
local exchanges, journal = prefix .. 'exchanges', prefix .. 'journal'
local dropped, owners = prefix .. 'dropped', prefix .. 'owners'

local function number_of(entry)
    return string.match(entry[1], '%d+')
end

local function remove(entry)
    local owner, value = entry[2][2], entry[2][4]
    redis.call('XDEL', exchanges, entry[1])
    redis.call('HINCRBY', journal, 'size', -#value)
    if owner ~= '' then redis.call('ZREM', prefix .. 'exchanges:' .. owner, number_of(entry)) end
    return owner
end

local function make_room()
    while redis.call('XLEN', exchanges) > most
        or tonumber(redis.call('HGET', journal, 'size') or 0) > most_bytes do
        local oldest = redis.call('XRANGE', exchanges, '-', '+', 'COUNT', 1)[1]
        if not oldest then break end
        redis.call('HINCRBY', dropped, remove(oldest), 1)
    end
end

local function new_id()
    local time = redis.call('TIME')
    redis.call('HSET', journal, 'id', string.format('%08x%08x', time[1], time[2]))
end

local function notify(owner)
    redis.call('PUBLISH', prefix .. 'changes', owner)
end
"""


def _journal_script(body: str) -> Script:
    return Script(f"{_JOURNAL}\n{body}")


APPEND = _journal_script("""
local owner, value = ARGV[3], ARGV[4]
local number = redis.call('HINCRBY', journal, 'last', 1)
if number == 1 and redis.call('HEXISTS', journal, 'id') == 0 then new_id() end
redis.call('XADD', exchanges, number .. '-0', 'owner', owner, 'exchange', value)
redis.call('HINCRBY', journal, 'size', #value)
redis.call('SADD', owners, owner)
if owner ~= '' then redis.call('ZADD', prefix .. 'exchanges:' .. owner, number, number) end
make_room()
notify(owner)
""")
"""bounds; owner, exchange."""

STATE = _journal_script("""
make_room()
local first = redis.call('XRANGE', exchanges, '-', '+', 'COUNT', 1)[1]
local last = redis.call('XREVRANGE', exchanges, '+', '-', 'COUNT', 1)[1]
return {
    redis.call('HGET', journal, 'id') or '',
    first and number_of(first) or '0',
    last and number_of(last) or '0',
    tostring(redis.call('XLEN', exchanges)),
}
""")
"""bounds. The id, the first and the last number, how many there are."""

READ = _journal_script("""
make_room()
local owner, is_whole, after = ARGV[3], ARGV[4] == '1', ARGV[5]
local lost, found = 0, {}
if is_whole then
    for _, count in ipairs(redis.call('HVALS', dropped)) do lost = lost + count end
    found = redis.call('XRANGE', exchanges, '(' .. after .. '-0', '+')
else
    lost = redis.call('HGET', dropped, owner) or 0
    local numbers = redis.call('ZRANGEBYSCORE', prefix .. 'exchanges:' .. owner, '(' .. after, '+inf')
    for _, number in ipairs(numbers) do
        found[#found + 1] = redis.call('XRANGE', exchanges, number .. '-0', number .. '-0')[1]
    end
end
local answer = {tostring(lost)}
for _, entry in ipairs(found) do
    answer[#answer + 1] = number_of(entry)
    answer[#answer + 1] = entry[2][4]
end
return answer
""")
"""bounds; owner, '1' for all, a number. How many were dropped; number and exchange of each one after it."""

CLEAR_JOURNAL = _journal_script("""
local owner, is_whole = ARGV[3], ARGV[4] == '1'
if is_whole then
    for _, each in ipairs(redis.call('SMEMBERS', owners)) do
        redis.call('DEL', prefix .. 'exchanges:' .. each)
    end
    redis.call('DEL', exchanges, journal, dropped, owners)
else
    make_room()
    for _, number in ipairs(redis.call('ZRANGE', prefix .. 'exchanges:' .. owner, 0, -1)) do
        remove(redis.call('XRANGE', exchanges, number .. '-0', number .. '-0')[1])
    end
    redis.call('HDEL', dropped, owner)
    redis.call('SREM', owners, owner)
end
new_id()
notify(is_whole and '*' or owner)
""")
"""bounds; owner, '1' for all."""

OPEN = Script("""
local schema = KEYS[1] .. 'schema'
redis.call('SETNX', schema, ARGV[1])
return redis.call('GET', schema)
""")
"""schema. That of the data."""
