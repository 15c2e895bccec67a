-- ARGV: mark as it was read, chunk, its window, bytes of a window, for each slice (where the chunk's part of it begins, that part).
if (redis.call('GET', P .. 'searched') or '0') ~= ARGV[1] then
  return
end
-- Not when all were deleted in the meantime.
if not unused(tonumber(ARGV[3])) then
  local key = P .. 'search:' .. ARGV[3]
  if redis.call('EXISTS', key) == 0 then
    -- As long as it will be: one that grows is given twice what it needs.
    redis.call('SETRANGE', key, ARGV[4] - 1, '\0')
  end
  for i = 5, #ARGV, 2 do
    redis.call('SETRANGE', key, ARGV[i], ARGV[i + 1])
  end
end
redis.call('SET', P .. 'searched', us(ARGV[2] + 1))
