-- ARGV: most jobs. Gives {now, jobs...}, what was due first first.
local now = clock()
local answer = {us(now)}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', P .. 'overdue', '-inf', us(now), 'LIMIT', 0, ARGV[1])) do
  answer[#answer + 1] = whole(id)
end
return answer
