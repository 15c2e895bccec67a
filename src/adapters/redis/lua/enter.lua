-- ARGV: mark as it was read, chunk, its window, for each slice (where the chunk's part of it begins, that part).
if (redis.call('GET', P .. 'searched') or '0') ~= ARGV[1] then
  return
end
-- Not when all were deleted in the meantime.
if not unused(tonumber(ARGV[3])) then
  for i = 4, #ARGV, 2 do
    redis.call('SETRANGE', P .. 'search:' .. ARGV[3], ARGV[i], ARGV[i + 1])
  end
end
redis.call('SET', P .. 'searched', us(ARGV[2] + 1))
