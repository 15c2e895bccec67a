-- ARGV: a place of the log, most entries. Gives the entries after it, or nothing when the log does not hold that place.
local log, after = P .. 'events', ARGV[1]
if after == '0-0' then
  local entries = redis.call('XRANGE', log, '-', '+', 'COUNT', ARGV[2])
  if #entries > 0 and entries[1][1] ~= redis.call('GET', P .. 'events:first') then
    return false
  end
  return entries
end
local entries = redis.call('XRANGE', log, after, '+', 'COUNT', tonumber(ARGV[2]) + 1)
if #entries == 0 or entries[1][1] ~= after then
  return false
end
table.remove(entries, 1)
return entries
