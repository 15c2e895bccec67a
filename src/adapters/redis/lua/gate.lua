-- One backend's gate. ARGV: backend, operation, permit or '', slots, calls or '', per in µs, trip after, cool down in µs,
-- permit lease in µs, then of the operation:
--   enter    permits whose giving was never learnt of...
--   again    name of the call
--   leave    'yes', 'no' or '' for what became of the call
--   pause    µs
-- Gives {'ok'} or {reason, µs to wait}; `state` gives {permits out, reason or '', µs}.
--
--   gate:<backend>           hash: paused (until), failures (in a row), trial_from (while the circuit is open), trial
--   gate:<backend>:permits   permits by the end of their lease
--   gate:<backend>:calls     calls of the last `per` by their moment
local key = P .. 'gate:' .. ARGV[1]
local permits, calls = key .. ':permits', key .. ':calls'
local operation, permit = ARGV[2], ARGV[3]
local slots, most, per = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local trip_after, cool_down, lease = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
-- Nobody knows when a call will end: the longest advice to wait for a slot, and for the end of a trial call.
local SLOT_WAIT, TRIAL_WAIT = 1000000, 5000000
local now = clock()

-- What ran out is taken back. A removal first: the rest then works in a full memory too.
redis.call('ZREMRANGEBYSCORE', permits, '-inf', us(now))
redis.call('ZREMRANGEBYSCORE', calls, '-inf', us(now - per))
local values = redis.call('HMGET', key, 'paused', 'failures', 'trial_from', 'trial')
local paused, failures = tonumber(values[1] or 0), tonumber(values[2] or 0)
local trial_from, trial = tonumber(values[3] or nil), values[4]
if trial and not redis.call('ZSCORE', permits, trial) then
  redis.call('HDEL', key, 'trial')
  trial = false
end

local function first(zset)
  return tonumber(redis.call('ZRANGE', zset, 0, 0, 'WITHSCORES')[2] or now)
end

local function closed()
  if paused > now then
    return 'pause', paused - now
  elseif trial_from and trial_from > now then
    return 'circuit', trial_from - now
  elseif trial and trial ~= permit then
    return 'circuit', math.min(TRIAL_WAIT, redis.call('ZSCORE', permits, trial) - now)
  elseif most and redis.call('ZCARD', calls) >= most then
    return 'rate', first(calls) + per - now
  end
  return nil
end

local function crowded()
  if redis.call('ZCARD', permits) < slots then
    return nil
  end
  local ends = redis.call('ZCARD', permits) > 0 and first(permits) or now + SLOT_WAIT
  return 'slots', math.min(SLOT_WAIT, ends - now)
end

local function let_in(call)
  redis.call('ZADD', permits, us(now + lease), permit)
  if most then
    redis.call('ZADD', calls, us(now), call)
  end
  if trial_from then
    redis.call('HSET', key, 'trial', permit)
  end
  return {'ok'}
end

local held = permit ~= '' and redis.call('ZSCORE', permits, permit)
if operation == 'enter' then
  if held then
    -- Said again after a lost answer.
    return {'ok'}
  end
  for i = 10, #ARGV do
    redis.call('ZREM', permits, ARGV[i])
    if trial == ARGV[i] then
      redis.call('HDEL', key, 'trial')
      trial = false
    end
  end
  local reason, wait = closed()
  if not reason then
    reason, wait = crowded()
  end
  if reason then
    return {reason, us(wait)}
  end
  return let_in(permit)
elseif operation == 'again' then
  if redis.call('ZSCORE', calls, ARGV[10]) then
    return {'ok'}
  end
  local reason, wait = closed()
  if not reason and not held then
    reason, wait = crowded()
  end
  if reason then
    return {reason, us(wait)}
  end
  return let_in(ARGV[10])
elseif operation == 'beat' then
  if held then
    redis.call('ZADD', permits, us(now + lease), permit)
  end
elseif operation == 'leave' then
  if held then
    redis.call('ZREM', permits, permit)
    if trial == permit then
      redis.call('HDEL', key, 'trial')
    end
    if ARGV[10] == 'yes' then
      redis.call('HDEL', key, 'failures', 'trial_from', 'trial')
    elseif ARGV[10] == 'no' then
      failures = failures + 1
      redis.call('HSET', key, 'failures', failures)
      if trial == permit or (not trial_from and failures >= trip_after) then
        redis.call('HSET', key, 'trial_from', us(now + cool_down))
      end
    end
  end
elseif operation == 'pause' then
  redis.call('HSET', key, 'paused', us(math.max(paused, now + tonumber(ARGV[10]))))
elseif operation == 'state' then
  local reason, wait = closed()
  return {redis.call('ZCARD', permits), reason or '', us(wait or 0)}
end
return {'ok'}
