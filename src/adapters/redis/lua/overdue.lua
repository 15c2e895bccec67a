-- ARGV: most jobs, jobs of a chunk. Gives {now, whether a chunk is to be entered for searches, jobs...}, what was due
-- first first.
local now = clock()
local entered = (redis.call('GET', P .. 'searched') or 0) * ARGV[2]
local answer = {us(now), (redis.call('GET', P .. 'seq') or 0) - entered + 1 >= tonumber(ARGV[2]) and 1 or 0}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', P .. 'overdue', '-inf', us(now), 'LIMIT', 0, ARGV[1])) do
  answer[#answer + 1] = whole(id)
end
return answer
