-- ARGV: job id. Gives {now, the delivery} or {now} when there is none.
local now, key = clock(), P .. 'delivery:' .. ARGV[1]
local stored = redis.call('HMGET', key, 'host', 'token', 'due')
if not stored[1] then
  return {us(now)}
end
-- One that is being sent now stays as it is.
if not (stored[2] and stored[3] and tonumber(stored[3]) > now) then
  redis.call('HDEL', key, 'token', 'settled', 'lost', 'unread')
  redis.call('HSET', key, 'state', 'pending', 'tries', 0, 'due', us(now))
  schedule(ARGV[1], stored[1], us(now))
end
return {us(now), redis.call('HGETALL', key)}
