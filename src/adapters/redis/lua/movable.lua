-- ARGV: backend, how many to skip, most jobs, newest schema the caller reads.
-- Gives {now, jobs...} of those that may be moved, the stranded ones first.
local skip, most = tonumber(ARGV[2]), tonumber(ARGV[3])
local answer = {us(clock())}
for _, kind in ipairs({'stranded:', 'movable:'}) do
  local line = P .. kind .. ARGV[1]
  if most > 0 then
    for _, name in ipairs(redis.call('ZRANGE', line, skip, skip + most - 1)) do
      most = most - 1
      if tonumber(redis.call('HGET', P .. 'job:' .. id_of(name), 'schema')) <= tonumber(ARGV[4]) then
        answer[#answer + 1] = whole(id_of(name))
      end
    end
    skip = skip > 0 and math.max(0, skip - redis.call('ZCARD', line)) or 0
  end
end
return answer
