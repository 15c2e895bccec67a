-- ARGV: name, how many a minute. Gives 0, or how long to wait in µs. The key holds the moment at which the whole
-- allowance is there again.
local key = P .. 'meter:' .. ARGV[1]
local step, now = 60000000 / tonumber(ARGV[2]), clock()
local full = math.max(tonumber(redis.call('GET', key) or now), now)
local wait = full + step - now - 60000000
if wait > 1 then
  return us(math.ceil(wait))
end
-- Freed first, so that who may ask is still answered when Redis has no memory left.
redis.call('DEL', key)
redis.call('SET', key, us(full + step), 'PX', math.ceil((full + step - now) / 1000) + 1)
return '0'
