-- ARGV: job id, token, in how many µs it is due, or 'unread' if that version could not read it. Undoes a claim; under
-- another token it does nothing. Gives {now}.
local now, key = clock(), P .. 'delivery:' .. ARGV[1]
local stored = redis.call('HMGET', key, 'token', 'host')
if stored[1] == ARGV[2] then
  redis.call('HDEL', key, 'token')
  redis.call('HINCRBY', key, 'tries', -1)
  if ARGV[3] == 'unread' then
    -- Its lease goes on, so that other versions have their turn.
    redis.call('HINCRBY', key, 'unread', 1)
  else
    local due = us(now + tonumber(ARGV[3]))
    redis.call('HSET', key, 'due', due)
    schedule(ARGV[1], stored[2], due)
  end
end
return {us(now)}
