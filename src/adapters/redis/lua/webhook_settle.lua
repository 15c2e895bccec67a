-- ARGV: job id, token, state, again in µs or '', attempts. Gives {now, the delivery} or {now} under another token.
local now, key = clock(), P .. 'delivery:' .. ARGV[1]
local stored = redis.call('HMGET', key, 'token', 'settled', 'host')
if stored[1] ~= ARGV[2] then
  -- The same, sent again after a lost answer.
  return stored[2] == ARGV[2] and {us(now), redis.call('HGETALL', key)} or {us(now)}
end
redis.call('HDEL', key, 'token', 'due', 'lost')
redis.call('HSET', key, 'settled', ARGV[2], 'state', ARGV[3], 'attempts', ARGV[5])
local due = ARGV[4] == '' and '' or us(now + tonumber(ARGV[4]))
if due ~= '' then
  redis.call('HSET', key, 'due', due)
end
schedule(ARGV[1], stored[3], due)
return {us(now), redis.call('HGETALL', key)}
