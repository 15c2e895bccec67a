-- ARGV: most jobs to look at.
-- Gives {number of the last job looked at or '', jobs...}: of the ended jobs behind the mark `aged`, in the order of
-- their submit and none behind an open one, those that are in neither `expires` nor `ended`.
local most, found, before = tonumber(ARGV[1]), {}, '+inf'
local after = '(' .. (redis.call('GET', P .. 'aged') or 0)
local oldest
for _, status in ipairs({'queued', 'started'}) do
  local seq = tonumber(redis.call('ZRANGE', P .. 'list:' .. status, 0, 0, 'WITHSCORES')[2])
  oldest = seq and math.min(oldest or seq, seq) or oldest
end
if oldest then
  before = '(' .. us(oldest)
end
for _, status in ipairs({'finished', 'failed', 'cancelled'}) do
  local rows = redis.call('ZRANGEBYSCORE', P .. 'list:' .. status, after, before, 'WITHSCORES', 'LIMIT', 0, most)
  for i = 1, #rows, 2 do
    found[#found + 1] = {rows[i], tonumber(rows[i + 1])}
  end
end
table.sort(found, function(a, b) return a[2] < b[2] end)
local answer = {''}
for i = 1, math.min(most, #found) do
  local id = found[i][1]
  answer[1] = us(found[i][2])
  if not redis.call('ZSCORE', P .. 'expires', id) and not redis.call('ZSCORE', P .. 'ended', id) then
    answer[#answer + 1] = whole(id)
  end
end
return answer
