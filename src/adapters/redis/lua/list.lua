-- ARGV: suffix of the lists, only jobs submitted before this number or '', most jobs, statuses...
-- Gives {} for a number that no listing gave, else {whether there are more, number of the last, jobs...}, newest
-- first.
local limit, found = tonumber(ARGV[3]), {}
local before = '+inf'
if ARGV[2] ~= '' then
  before = '(' .. ARGV[2]
  if tonumber(ARGV[2]) > tonumber(redis.call('GET', P .. 'seq') or 0) + 1 then
    return {}
  end
end
for i = 4, #ARGV do
  local key = P .. 'list:' .. ARGV[i] .. ARGV[1]
  local rows = redis.call('ZREVRANGEBYSCORE', key, before, '-inf', 'WITHSCORES', 'LIMIT', 0, limit + 1)
  for j = 1, #rows, 2 do
    found[#found + 1] = {rows[j], tonumber(rows[j + 1])}
  end
end
table.sort(found, function(a, b) return a[2] > b[2] end)
local page = {#found > limit and 1 or 0, 0}
for i = 1, math.min(limit, #found) do
  page[2] = found[i][2]
  page[#page + 1] = whole(found[i][1])
end
return page
