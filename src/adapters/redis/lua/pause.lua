-- ARGV: backend, reason and operator as JSON. Gives {now, paused since}.
local backend, now, key = ARGV[1], clock(), P .. 'pauses'
local before = redis.call('HGET', key, backend)
local since = before and string.match(before, '^%d+') or us(now)
redis.call('HSET', key, backend, since .. ' ' .. ARGV[2])
return {us(now), since}
