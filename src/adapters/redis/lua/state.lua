-- ARGV: backend. Gives {now, claimable, started, claimable since or '', mean run or '', the pause or ''}.
local backend = ARGV[1]
local now = clock()
local leased, waiting = P .. 'leased:' .. backend, P .. 'waiting:' .. backend
local claimable, started = redis.call('ZCARD', waiting), redis.call('ZCARD', leased)
-- Asked again and again by whoever is idle, and then there is nothing in either.
local since = claimable > 0 and redis.call('ZRANGE', waiting, 0, 0, 'WITHSCORES')[2]
local expired = started > 0 and redis.call('ZCOUNT', leased, '-inf', us(now)) or 0
if expired > 0 then
  local first = redis.call('ZRANGE', leased, 0, 0, 'WITHSCORES')[2]
  if not since or tonumber(first) < tonumber(since) then
    since = first
  end
  claimable, started = claimable + expired, started - expired
end
local pause = redis.call('HGET', P .. 'pauses', backend) or ''
return {us(now), claimable, started, since and us(tonumber(since)) or '', mean_run(backend), pause}
