-- ARGV: token, lease in µs, hosts to pass over... Gives {now, the delivery, its job's id} or {now} when nothing is due.
local now = clock()
local busy = {}
for i = 3, #ARGV do
  busy[ARGV[i]] = true
end

local function claimed(host)
  -- The first due message to that host, and its job's id; nothing when none is left among the first hundred.
  for _ = 1, 100 do
    local id = redis.call('ZRANGEBYSCORE', P .. 'deliveries:' .. host, '-inf', us(now), 'LIMIT', 0, 1)[1]
    if not id then
      return
    end
    local key, ends = P .. 'delivery:' .. id, us(now + tonumber(ARGV[2]))
    if redis.call('HEXISTS', key, 'host') == 1 then
      -- A token that is there is that of a claim which ran out: the same try again.
      redis.call('HINCRBY', key, redis.call('HEXISTS', key, 'token') == 1 and 'lost' or 'tries', 1)
      redis.call('HDEL', key, 'settled')
      redis.call('HSET', key, 'token', ARGV[1], 'due', ends)
      schedule(id, host, ends)
      return redis.call('HGETALL', key), id
    end
    -- Nothing is left to send.
    schedule(id, host, '')
  end
end

-- Of so many hosts one at least is not busy, if there is one at all.
for _, host in ipairs(redis.call('ZRANGEBYSCORE', P .. 'deliveries', '-inf', us(now), 'LIMIT', 0, #ARGV - 1)) do
  if not busy[host] then
    local delivery, id = claimed(host)
    if delivery then
      return {us(now), delivery, id}
    end
  end
end
return {us(now)}
