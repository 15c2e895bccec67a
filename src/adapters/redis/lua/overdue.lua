-- ARGV: most jobs, jobs of a chunk. Gives {now, whether a chunk is to be entered for searches, jobs...}, what was due
-- first first.
local now = clock()
local chunks, given = unpack(redis.call('MGET', P .. 'searched', P .. 'seq'))
local answer = {us(now), (given or 0) - (chunks or 0) * ARGV[2] + 1 >= tonumber(ARGV[2]) and 1 or 0}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', P .. 'overdue', '-inf', us(now), 'LIMIT', 0, ARGV[1])) do
  answer[#answer + 1] = whole(id)
end
return answer
