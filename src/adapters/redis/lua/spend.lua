-- Credits by day, in whole µ-credits.
--
--   spent:<day>      hash of sums: `all`, and `o:<owner>` for each owner
--   spending:<job>   hash: day, owner, credits, settled
--   spending:open    jobs whose true cost is not known yet, by when they were reserved
--
-- ARGV: 'reserve', job, day, owner or '', credits, owner's limit or '', limit of all or ''; gives 'ok', 'owner', 'total'.
--       'settle', job, credits; gives 'ok'.
--       'open', reserved at or before in µs, how many; gives rows of job, day, owner, credits.
-- Sums and settled entries are kept for 62 days.
local KEPT = 62 * 86400
local open_ones = P .. 'spending:open'

local function entry(job)
  return P .. 'spending:' .. job
end

local function add(day, owner, credits)
  local sums = P .. 'spent:' .. day
  redis.call('HINCRBY', sums, 'all', us(credits))
  redis.call('HINCRBY', sums, 'o:' .. owner, us(credits))
  redis.call('EXPIRE', sums, KEPT)
end

if ARGV[1] == 'reserve' then
  local job, day, owner, credits = ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
  local before = redis.call('HMGET', entry(job), 'day', 'owner', 'credits', 'settled')
  if before[1] and (before[4] ~= '0' or credits <= tonumber(before[3])) then
    return 'ok'
  end
  -- What is set aside already counts in the sums of its day.
  local more = before[1] == day and credits - tonumber(before[3]) or credits
  local function over(field, limit)
    local spent = tonumber(redis.call('HGET', P .. 'spent:' .. day, field) or 0)
    return limit ~= '' and spent + more > tonumber(limit)
  end
  if over('o:' .. owner, ARGV[6]) then
    return 'owner'
  elseif over('all', ARGV[7]) then
    return 'total'
  end
  -- The first write, and on purpose one that Redis refuses when its memory is full.
  redis.call('HSET', entry(job), 'day', day, 'owner', owner, 'credits', us(credits), 'settled', 0)
  redis.call('ZADD', open_ones, 'NX', us(clock()), job)
  if before[1] then
    add(before[1], before[2], -tonumber(before[3]))
  end
  add(day, owner, credits)
  return 'ok'
elseif ARGV[1] == 'settle' then
  local job, credits = ARGV[2], tonumber(ARGV[3])
  -- A removal first, which memory that is full does not refuse.
  redis.call('ZREM', open_ones, job)
  local found = redis.call('HMGET', entry(job), 'day', 'owner', 'credits', 'settled')
  if found[1] and found[4] == '0' then
    add(found[1], found[2], credits - tonumber(found[3]))
    redis.call('HSET', entry(job), 'credits', us(credits), 'settled', 1)
    redis.call('EXPIRE', entry(job), KEPT)
  end
  return 'ok'
end
local rows = {}
for _, job in ipairs(redis.call('ZRANGEBYSCORE', open_ones, '-inf', ARGV[2], 'LIMIT', 0, tonumber(ARGV[3]))) do
  local found = redis.call('HMGET', entry(job), 'day', 'owner', 'credits')
  if found[1] then
    rows[#rows + 1] = {job, found[1], found[2], found[3]}
  else
    redis.call('ZREM', open_ones, job)
  end
end
return rows
