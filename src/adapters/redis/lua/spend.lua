-- Credits by day, in whole µ-credits.
--
-- ARGV: 'settle', job, credits; gives 'ok'.
--       'open', reserved at or before in µs, how many; gives rows of job, day, owner, credits.
if ARGV[1] == 'settle' then
  local job, credits = ARGV[2], tonumber(ARGV[3])
  -- A removal first, which memory that is full does not refuse.
  redis.call('ZREM', P .. 'spending:open', job)
  local found = redis.call('HMGET', spending_of(job), 'day', 'owner', 'credits', 'settled')
  if found[1] and found[4] == '0' then
    add_spent(found[1], found[2], credits - tonumber(found[3]))
    redis.call('HSET', spending_of(job), 'credits', us(credits), 'settled', 1)
    redis.call('EXPIRE', spending_of(job), KEPT_SPENDING)
  end
  return 'ok'
end
local rows = {}
for _, job in ipairs(redis.call('ZRANGEBYSCORE', P .. 'spending:open', '-inf', ARGV[2], 'LIMIT', 0, tonumber(ARGV[3]))) do
  local found = redis.call('HMGET', spending_of(job), 'day', 'owner', 'credits')
  if found[1] then
    rows[#rows + 1] = {job, found[1], found[2], found[3]}
  else
    redis.call('ZREM', P .. 'spending:open', job)
  end
end
return rows
