-- ARGV: backend. Gives {now, claimable, started, claimable since or '', mean run or '', the pause or ''}.
local backend = ARGV[1]
local now = clock()
local leased, waiting = P .. 'leased:' .. backend, P .. 'waiting:' .. backend
local expired = redis.call('ZCOUNT', leased, '-inf', us(now))
local since = redis.call('ZRANGE', waiting, 0, 0, 'WITHSCORES')[2]
if expired > 0 then
  local first = redis.call('ZRANGE', leased, 0, 0, 'WITHSCORES')[2]
  if not since or tonumber(first) < tonumber(since) then
    since = first
  end
end
local claimable = redis.call('ZCARD', waiting) + expired
local started = redis.call('ZCARD', leased) - expired
local pause = redis.call('HGET', P .. 'pauses', backend) or ''
return {us(now), claimable, started, since and us(tonumber(since)) or '', mean_run(backend), pause}
