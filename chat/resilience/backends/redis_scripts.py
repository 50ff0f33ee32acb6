"""The steps that must be indivisible, in Redis' own Lua. Each follows `MemoryBackend` line by line.

The first argument of each is the time, or nothing: then the server's clock counts, so that machines whose
clocks differ agree. Numbers leave as text: Redis cuts a Lua number down to an integer.
"""

from typing import Final

_CLOCK: Final = """
local now = tonumber(ARGV[1])
if not now then
  local t = redis.call('TIME')
  now = tonumber(t[1]) + tonumber(t[2]) / 1e6
end
local function text(number) return string.format('%.17g', number) end
"""

KEEP_SECONDS: Final = 86_400
"""What nobody has used for a day is forgotten; what staff have forced never is."""

# The margin is for a clock that is not the server's: the score decides, the expiry only tidies up.
_ACQUIRE: Final = """
local function acquire(key, most, holder, lease)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', text(now))
  if redis.call('ZCARD', key) >= most then return false end
  redis.call('ZADD', key, text(now + lease), holder)
  redis.call('EXPIRE', key, math.ceil(lease) + 60)
  return true
end
"""

# An index of the keys that hold places, by the end of their latest lease: finding them by SCAN would cost as
# much as everything else that lives in this Redis (docs/adr/0007).
_INDEX_PLACES: Final = """
local function index_places(index, lease, names)
  redis.call('ZREMRANGEBYSCORE', index, '-inf', text(now))
  for _, name in ipairs(names) do redis.call('ZADD', index, text(now + lease), name) end
  redis.call('EXPIRE', index, math.ceil(lease) + 60)
end
"""

ACQUIRE: Final = (
    _CLOCK
    + _ACQUIRE
    + _INDEX_PLACES
    + """
local lease = tonumber(ARGV[4])
if not acquire(KEYS[1], tonumber(ARGV[2]), ARGV[3], lease) then return 0 end
index_places(KEYS[2], lease, {ARGV[5]})
return 1
"""
)

RENEW: Final = (
    _CLOCK
    + _INDEX_PLACES
    + """
local lease, held, names = tonumber(ARGV[2]), #KEYS - 1, {}
for i = 1, held do
  redis.call('ZADD', KEYS[i], text(now + lease), ARGV[2 + i])
  redis.call('EXPIRE', KEYS[i], math.ceil(lease) + 60)
  names[i] = ARGV[2 + held + i]
end
index_places(KEYS[held + 1], lease, names)
"""
)

RELEASE: Final = """
return redis.call('ZREM', KEYS[1], ARGV[2])
"""

IN_USE: Final = (
    _CLOCK
    + """
return redis.call('ZCOUNT', KEYS[1], '(' .. text(now), '+inf')
"""
)

BUSIEST: Final = (
    _CLOCK
    + """
local found = {}
for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. text(now), '+inf')) do
  if name:sub(1, #ARGV[3]) == ARGV[3] then
    local taken = redis.call('ZCOUNT', ARGV[2] .. name, '(' .. text(now), '+inf')
    if taken > 0 then found[#found + 1] = {name, taken} end
  end
end
table.sort(found, function(a, b) if a[2] ~= b[2] then return a[2] > b[2] end return a[1] < b[1] end)
local first = {}
for i = 1, math.min(#found, tonumber(ARGV[4])) do first[i] = found[i] end
return first
"""
)

# An index of the breakers that are not as new, by the time of their last change, the forced ones above all others.
_INDEX_BREAKER: Final = """
local function index_breaker(index, start, name, score, most, keep)
  redis.call('ZADD', index, score, name)
  local surplus = redis.call('ZCARD', index) - most
  if surplus > 0 then
    for _, old in ipairs(redis.call('ZRANGEBYSCORE', index, '-inf', '(+inf', 'LIMIT', 0, surplus)) do
      redis.call('ZREM', index, old)
      redis.call('DEL', start .. old)
    end
  end
  if redis.call('ZCOUNT', index, '+inf', '+inf') > 0 then redis.call('PERSIST', index)
  else redis.call('EXPIRE', index, keep) end
end
"""

ADMIT: Final = (
    _CLOCK
    + _ACQUIRE
    + """
local probes, holder, lease = tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
local row = redis.call('HMGET', KEYS[1], 'state', 'generation', 'until')
local state, generation = row[1] or 'closed', tonumber(row[2] or 0)
if state == 'closed' or state == 'forced_closed' then return {1, state, generation, 0, ''} end
if state == 'forced_open' then return {0, state, generation, 0, ''} end
if state == 'open' then
  local rest = tonumber(row[3]) - now
  if rest > 0 then return {0, state, generation, 0, text(rest)} end
  state, generation = 'half_open', generation + 1
  redis.call('HSET', KEYS[1], 'state', state, 'generation', generation, 'failures', 0, 'successes', 0)
end
if not acquire(KEYS[2], probes, holder, lease) then return {0, state, generation, 0, 'later'} end
return {1, state, generation, 1, ''}
"""
)

RECORD: Final = (
    _CLOCK
    + _INDEX_BREAKER
    + """
local outcome, generation, holder = ARGV[2], tonumber(ARGV[3]), ARGV[4]
local most_failures, open_seconds, most_successes = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
redis.call('ZREM', KEYS[2], holder)
local row = redis.call('HMGET', KEYS[1], 'state', 'generation', 'failures', 'successes')
local state, current = row[1] or 'closed', tonumber(row[2] or 0)
local failures, successes = tonumber(row[3] or 0), tonumber(row[4] or 0)
if current ~= generation or outcome == 'neutral' then return state end
if state ~= 'closed' and state ~= 'half_open' then return state end
local before, opened = state, 0
if outcome == 'success' then
  if state == 'closed' and failures == 0 then return state end
  failures = 0
  if state == 'half_open' then
    successes = successes + 1
    if successes >= most_successes then state = 'closed' end
  end
else
  if state == 'closed' then failures = failures + 1 end
  if state == 'half_open' or failures >= most_failures then
    state, opened = 'open', now + open_seconds
  end
end
if state ~= before then current, failures, successes = current + 1, 0, 0 end
redis.call('HSET', KEYS[1], 'state', state, 'generation', current, 'failures', failures,
  'successes', successes, 'until', text(opened))
redis.call('EXPIRE', KEYS[1], ARGV[8])
index_breaker(KEYS[3], ARGV[9], ARGV[10], text(now), tonumber(ARGV[11]), ARGV[8])
return state
"""
)

FORCE: Final = (
    _CLOCK
    + _INDEX_BREAKER
    + """
local generation = redis.call('HINCRBY', KEYS[1], 'generation', 1)
redis.call('HSET', KEYS[1], 'state', ARGV[2], 'failures', 0, 'successes', 0)
local score = '+inf'
if ARGV[2] == 'closed' then
  redis.call('EXPIRE', KEYS[1], ARGV[3])
  score = text(now)
else
  redis.call('PERSIST', KEYS[1])
end
index_breaker(KEYS[3], ARGV[4], ARGV[5], score, tonumber(ARGV[6]), ARGV[3])
return generation
"""
)

BREAKERS: Final = (
    _CLOCK
    + """
local found = {}
for _, name in ipairs(redis.call('ZREVRANGE', KEYS[1], 0, tonumber(ARGV[4]) - 1)) do
  local row = redis.call('HMGET', ARGV[2] .. name, 'state', 'failures', 'successes', 'until')
  if row[1] then
    local rest = row[1] == 'open' and math.max(0, tonumber(row[4]) - now) or 0
    local probes = redis.call('ZCOUNT', ARGV[3] .. name, '(' .. text(now), '+inf')
    found[#found + 1] = {name, row[1], tonumber(row[2] or 0), tonumber(row[3] or 0), probes, text(rest)}
  else
    redis.call('ZREM', KEYS[1], name)
  end
end
return found
"""
)

_LEVEL: Final = """
local function limits(row, rate, burst)
  local learned_rate, learned_capacity = tonumber(row[3] or nil), tonumber(row[4] or nil)
  if not rate then return learned_rate, learned_capacity end
  if not learned_rate then return rate, burst end
  return math.min(rate, learned_rate), math.min(burst, learned_capacity)
end
local function level(row, rate, capacity)
  local tokens, stamp = tonumber(row[1] or nil), tonumber(row[2] or nil)
  if not tokens then return capacity end
  return math.min(capacity, tokens + math.max(0, now - stamp) * rate)
end
local function read(key)
  return redis.call('HMGET', key, 'tokens', 'stamp', 'rate', 'capacity', 'not_before', 'passed')
end
local function learned_anew_in(row, rate, burst, amount, rest)
  local passed = tonumber(row[6] or nil)
  if not row[4] or not passed then return math.huge end
  if rate then rest = math.max(rest, math.min(amount, burst) / rate) end
  return math.max(0, passed + rest - now)
end
"""

TAKE: Final = (
    _CLOCK
    + _LEVEL
    + """
local wait, taken, rest = 0, {}, tonumber(ARGV[#ARGV])
for i, key in ipairs(KEYS) do
  local at = 2 + (i - 1) * 3
  local row = read(key)
  wait = math.max(wait, (tonumber(row[5] or nil) or 0) - now)
  local given, burst, amount = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  local rate, capacity = limits(row, given, burst)
  if rate then
    local left = level(row, rate, capacity) - math.min(amount, capacity)
    if left < -1e-6 then
      wait = math.max(wait, math.min(-left / rate, learned_anew_in(row, given, burst, amount, rest)))
    end
    taken[#taken + 1] = {key, math.max(left, 0), math.ceil(capacity / rate)}
  end
end
if wait > 0 then return text(wait) end
for _, one in ipairs(taken) do
  redis.call('HSET', one[1], 'tokens', text(one[2]), 'stamp', text(now), 'passed', text(now))
  redis.call('EXPIRE', one[1], math.max(3600, one[3] + 60))
end
return '0'
"""
)

LEARN: Final = (
    _CLOCK
    + _LEVEL
    + """
for i, key in ipairs(KEYS) do
  local at = 2 + (i - 1) * 3
  local capacity, rate, remaining = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  local tokens = level(read(key), rate, capacity)
  if remaining then tokens = math.min(tokens, remaining) end
  redis.call('HSET', key, 'tokens', text(tokens), 'stamp', text(now), 'capacity', text(capacity), 'rate', text(rate))
  redis.call('HSETNX', key, 'passed', text(now))
  redis.call('EXPIRE', key, math.max(3600, math.ceil(capacity / rate) + 60))
end
"""
)

HOLD_OFF: Final = (
    _CLOCK
    + """
local ends = math.max(now + tonumber(ARGV[2]), tonumber(redis.call('HGET', KEYS[1], 'not_before') or nil) or 0)
redis.call('HSET', KEYS[1], 'not_before', text(ends))
if redis.call('TTL', KEYS[1]) < ends - now + 60 then redis.call('EXPIRE', KEYS[1], math.ceil(ends - now) + 60) end
"""
)

LEVELS: Final = (
    _CLOCK
    + _LEVEL
    + """
local found = {}
for i, key in ipairs(KEYS) do
  local row = read(key)
  local view = {text(math.max(0, (tonumber(row[5] or nil) or 0) - now)), row[3] and 1 or 0}
  local rate, capacity = limits(row, tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1]))
  if rate then view[3], view[4], view[5] = text(level(row, rate, capacity)), text(capacity), text(rate) end
  found[i] = view
end
return found
"""
)
