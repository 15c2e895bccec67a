-- ARGV: job id, token, 'unread' if that version could not read it. Undoes a claim; under another token it does nothing.
-- Gives {now}.
local now, key = clock(), P .. 'delivery:' .. ARGV[1]
local stored = redis.call('HMGET', key, 'token', 'host')
if stored[1] == ARGV[2] then
  redis.call('HDEL', key, 'token')
  redis.call('HINCRBY', key, 'tries', -1)
  if ARGV[3] == 'unread' then
    -- Its lease goes on, so that other versions have their turn.
    redis.call('HINCRBY', key, 'unread', 1)
  else
    redis.call('HSET', key, 'due', us(now))
    schedule(ARGV[1], stored[2], us(now))
  end
end
return {us(now)}
