-- One backend's gate. ARGV: backend, operation, permit or '', slots, calls or '', per in µs, trip after, cool down in µs,
-- permit lease in µs, then of the operation:
--   enter    number of instances, instances..., permits whose giving was never learnt of...
--   again    instance or '', name of the call
--   beat     instance or ''
--   leave    instance or '', 'yes', 'no' or '' for what became of the call
--   pause    µs
--   state    instances...
-- Gives {'ok', instance or ''} or {reason, µs to wait}; `state` gives {permits out, reason or '', µs} of the backend and
-- of each instance.
--
--   gate:<backend>           hash: paused (until), failures (in a row), trial_from (while the circuit is open), trial;
--                            failures:<instance> and so on for each instance, and permit:<instance>, the last it had
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
local paused = tonumber(redis.call('HGET', key, 'paused') or 0)

local function named(field, instance)
  return instance == '' and field or field .. ':' .. instance
end

local function lease_of(name)
  return name and tonumber(redis.call('ZSCORE', permits, name) or nil)
end

local function holder_of(instance)
  -- The permit that is out for an instance, and the end of its lease.
  local name = redis.call('HGET', key, named('permit', instance))
  local ends = lease_of(name)
  return ends and name, ends
end

local function circuit_of(instance)
  local values = redis.call('HMGET', key, named('failures', instance), named('trial_from', instance), named('trial', instance))
  local trial = values[3]
  if trial and not lease_of(trial) then
    redis.call('HDEL', key, named('trial', instance))
    trial = false
  end
  return {failures = tonumber(values[1] or 0), trial_from = tonumber(values[2] or nil), trial = trial}
end

local function first(zset)
  return tonumber(redis.call('ZRANGE', zset, 0, 0, 'WITHSCORES')[2] or now)
end

local function closed(instance)
  local circuit = circuit_of(instance)
  if paused > now then
    return 'pause', paused - now
  elseif circuit.trial_from and circuit.trial_from > now then
    return 'circuit', circuit.trial_from - now
  elseif circuit.trial and circuit.trial ~= permit then
    return 'circuit', math.min(TRIAL_WAIT, lease_of(circuit.trial) - now)
  elseif most and redis.call('ZCARD', calls) >= most then
    return 'rate', first(calls) + per - now
  end
  return nil
end

local function crowded(instance)
  local ends
  if instance ~= '' then
    local _, until_when = holder_of(instance)
    if not until_when then
      return nil
    end
    ends = until_when
  elseif redis.call('ZCARD', permits) < slots then
    return nil
  else
    ends = redis.call('ZCARD', permits) > 0 and first(permits) or now + SLOT_WAIT
  end
  return 'slots', math.min(SLOT_WAIT, ends - now)
end

local function let_in(instance, call)
  redis.call('ZADD', permits, us(now + lease), permit)
  if most then
    redis.call('ZADD', calls, us(now), call)
  end
  if instance ~= '' then
    redis.call('HSET', key, named('permit', instance), permit)
  end
  if redis.call('HEXISTS', key, named('trial_from', instance)) == 1 then
    redis.call('HSET', key, named('trial', instance), permit)
  end
  return {'ok', instance}
end

local held = permit ~= '' and lease_of(permit)

local function sooner(reason, wait, best, least)
  -- A busy instance is a live one, and free before any that is out.
  if best and (reason == 'slots') ~= (best == 'slots') then
    return reason == 'slots'
  end
  return not best or wait < least
end

local function enter(instances)
  if held then
    -- Said again after a lost answer. Looked for among all first: one before it may be free by now, and would be held too.
    for _, instance in ipairs(instances) do
      if instance == '' or holder_of(instance) == permit then
        return {'ok', instance}
      end
    end
  end
  local best, least = nil, nil
  for _, instance in ipairs(instances) do
    local reason, wait = closed(instance)
    if not reason then
      reason, wait = crowded(instance)
    end
    if not reason then
      return let_in(instance, permit)
    end
    if sooner(reason, wait, best, least) then
      best, least = reason, wait
    end
  end
  return {best, us(least)}
end

local function again(instance, call)
  if redis.call('ZSCORE', calls, call) then
    return {'ok', instance}
  end
  local reason, wait = closed(instance)
  if not reason and not held then
    reason, wait = crowded(instance)
  end
  if reason then
    return {reason, us(wait)}
  end
  return let_in(instance, call)
end

local function leave(instance, became)
  local circuit = circuit_of(instance)
  redis.call('ZREM', permits, permit)
  redis.call('HDEL', key, named('permit', instance))
  if circuit.trial == permit then
    redis.call('HDEL', key, named('trial', instance))
  end
  if became == 'yes' then
    redis.call('HDEL', key, named('failures', instance), named('trial_from', instance), named('trial', instance))
  elseif became == 'no' then
    redis.call('HSET', key, named('failures', instance), circuit.failures + 1)
    if circuit.trial == permit or (not circuit.trial_from and circuit.failures + 1 >= trip_after) then
      redis.call('HSET', key, named('trial_from', instance), us(now + cool_down))
    end
  end
end

local function state(instance)
  local reason, wait = closed(instance)
  local out = instance == '' and redis.call('ZCARD', permits) or (holder_of(instance) and 1 or 0)
  return {out, reason or '', us(wait or 0)}
end

if operation == 'enter' then
  local count = tonumber(ARGV[10])
  for i = 11 + count, #ARGV do
    -- Whatever it was for is free, since nothing that names it counts without it.
    redis.call('ZREM', permits, ARGV[i])
  end
  local instances = {''}
  for i = 1, count do
    instances[i] = ARGV[10 + i]
  end
  return enter(instances)
elseif operation == 'again' then
  return again(ARGV[10], ARGV[11])
elseif operation == 'beat' then
  if held then
    redis.call('ZADD', permits, us(now + lease), permit)
  end
elseif operation == 'leave' then
  if held then
    leave(ARGV[10], ARGV[11])
  end
elseif operation == 'pause' then
  redis.call('HSET', key, 'paused', us(math.max(paused, now + tonumber(ARGV[10]))))
elseif operation == 'state' then
  local states = {state('')}
  for i = 10, #ARGV do
    states[#states + 1] = state(ARGV[i])
  end
  return states
end
return {'ok'}
