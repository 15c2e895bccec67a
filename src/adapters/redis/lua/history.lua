-- ARGV: operation, backend, length of a minute in µs, minutes kept; of note: waiting, started, longest wait in µs.
-- Gives {now, and of `read` number of a minute, `<waiting> <started> <longest wait>` of each}.
local now, key, kept = clock(), P .. 'history:' .. ARGV[2], tonumber(ARGV[4])
local number = math.floor(now / tonumber(ARGV[3]))
if ARGV[1] == 'read' then
  local answer = redis.call('HGETALL', key)
  table.insert(answer, 1, us(now))
  return answer
end
local before, most = redis.call('HGET', key, us(number)), {}
for figure in string.gmatch(before or '0 0 0', '%d+') do
  most[#most + 1] = us(math.max(tonumber(figure), tonumber(ARGV[5 + #most])))
end
redis.call('HSET', key, us(number), table.concat(most, ' '))
if not before then
  for _, old in ipairs(redis.call('HKEYS', key)) do
    if tonumber(old) <= number - kept then
      redis.call('HDEL', key, old)
    end
  end
end
redis.call('PEXPIRE', key, us(math.ceil(kept * tonumber(ARGV[3]) / 1000)))
return {us(now)}
