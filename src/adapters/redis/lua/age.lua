-- ARGV: number of the last job looked at, for each job (id, 'expires' | 'ended', that moment).
for i = 2, #ARGV, 3 do
  -- Not one that was deleted in the meantime.
  if redis.call('HEXISTS', P .. 'job:' .. ARGV[i], 'body') == 1 then
    redis.call('ZADD', P .. ARGV[i + 1], 'NX', ARGV[i + 2], ARGV[i])
  end
end
if tonumber(ARGV[1]) > tonumber(redis.call('GET', P .. 'aged') or 0) then
  redis.call('SET', P .. 'aged', ARGV[1])
end
