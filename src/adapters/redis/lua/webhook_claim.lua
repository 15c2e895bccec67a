-- ARGV: token, lease in µs, hosts to pass over... Gives {now, the delivery} or {now} when nothing is due.
local now, due = clock(), P .. 'deliveries'
local busy = {}
for i = 3, #ARGV do
  busy[ARGV[i]] = true
end
local skipped = 0
while true do
  local names = redis.call('ZRANGEBYSCORE', due, '-inf', us(now), 'LIMIT', skipped, 256)
  if #names == 0 then
    return {us(now)}
  end
  for _, name in ipairs(names) do
    local id, host = string.match(name, '^(.-)@(.*)$')
    if busy[host] then
      skipped = skipped + 1
    else
      local key, ends = P .. 'delivery:' .. id, us(now + tonumber(ARGV[2]))
      redis.call('HDEL', key, 'token', 'settled')
      redis.call('HSET', key, 'token', ARGV[1], 'due', ends)
      redis.call('HINCRBY', key, 'tries', 1)
      redis.call('ZADD', due, ends, name)
      return {us(now), redis.call('HGETALL', key)}
    end
  end
end
