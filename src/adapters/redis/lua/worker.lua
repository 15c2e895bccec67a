-- ARGV: operation, then of beat: name, ttl in µs, what it says; of leave: name; of seen: nothing.
-- Gives {now, and of `seen` `<heard at> <what it says>` of each that is alive}.
local now, ends, said = clock(), P .. 'workers', P .. 'workers:said'
for _, name in ipairs(redis.call('ZRANGEBYSCORE', ends, '-inf', us(now))) do
  redis.call('ZREM', ends, name)
  redis.call('HDEL', said, name)
end
local answer = {us(now)}
if ARGV[1] == 'beat' then
  redis.call('ZADD', ends, us(now + tonumber(ARGV[3])), ARGV[2])
  redis.call('HSET', said, ARGV[2], us(now) .. ' ' .. ARGV[4])
elseif ARGV[1] == 'leave' then
  redis.call('ZREM', ends, ARGV[2])
  redis.call('HDEL', said, ARGV[2])
else
  for _, name in ipairs(redis.call('ZRANGE', ends, 0, -1)) do
    answer[#answer + 1] = redis.call('HGET', said, name)
  end
end
return answer
