-- ARGV: suffix of the lists, only jobs submitted before this number, and after this one, most jobs, number that a cursor
-- gave or 0, statuses...
-- Gives {} for a cursor that no listing gave, else {whether there are more, number of the last, jobs...}, newest first.
local limit, found = tonumber(ARGV[4]), {}
if tonumber(ARGV[5]) > tonumber(redis.call('GET', P .. 'seq') or 0) + 1 then
  return {}
end
for i = 6, #ARGV do
  local key = P .. 'list:' .. ARGV[i] .. ARGV[1]
  local rows = redis.call(
    'ZREVRANGEBYSCORE', key, '(' .. ARGV[2], '(' .. ARGV[3], 'WITHSCORES', 'LIMIT', 0, limit + 1
  )
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
