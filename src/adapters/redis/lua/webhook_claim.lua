-- ARGV: token, lease in µs, hosts to pass over... Gives {now, the delivery, its job's id} or {now} when nothing is due.
local now = clock()
local busy = {}
for i = 3, #ARGV do
  busy[ARGV[i]] = true
end
-- Of so many hosts one at least is not busy, if there is one at all.
for _, host in ipairs(redis.call('ZRANGEBYSCORE', P .. 'deliveries', '-inf', us(now), 'LIMIT', 0, #ARGV - 1)) do
  if not busy[host] then
    local id = redis.call('ZRANGE', P .. 'deliveries:' .. host, 0, 0)[1]
    local key, ends = P .. 'delivery:' .. id, us(now + tonumber(ARGV[2]))
    if redis.call('HEXISTS', key, 'host') == 1 then
      redis.call('HDEL', key, 'token', 'settled')
      redis.call('HSET', key, 'token', ARGV[1], 'due', ends)
      redis.call('HINCRBY', key, 'tries', 1)
      schedule(id, host, ends)
      return {us(now), redis.call('HGETALL', key), id}
    end
    -- Nothing is left to send.
    schedule(id, host, '')
  end
end
return {us(now)}
