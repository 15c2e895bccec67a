-- Gives {now, how many are pending, how many of them due, how long the first has been due in µs}.
-- Of 10,000 hosts at most, so that callers with many cannot make this long.
local now, pending, due = clock(), 0, 0
for _, host in ipairs(redis.call('ZRANGE', P .. 'deliveries', 0, 9999)) do
  pending = pending + redis.call('ZCARD', P .. 'deliveries:' .. host)
end
for _, host in ipairs(redis.call('ZRANGEBYSCORE', P .. 'deliveries', '-inf', us(now), 'LIMIT', 0, 10000)) do
  due = due + redis.call('ZCOUNT', P .. 'deliveries:' .. host, '-inf', us(now))
end
local first = redis.call('ZRANGE', P .. 'deliveries', 0, 0, 'WITHSCORES')
return {us(now), pending, due, due > 0 and us(now - tonumber(first[2])) or 0}
