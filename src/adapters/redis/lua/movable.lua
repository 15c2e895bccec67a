-- ARGV: backend, how many to skip, most jobs, newest schema the caller reads.
-- Gives {now, jobs...} of those that may be moved, the stranded ones first.
local skip, most = tonumber(ARGV[2]), tonumber(ARGV[3])
local answer = {us(clock())}
for _, kind in ipairs({'stranded:', 'movable:'}) do
  local line, rank = P .. kind .. ARGV[1], 0
  local names = redis.call('ZRANGE', line, 0, 99)
  while most > 0 and #names > 0 do
    for _, name in ipairs(names) do
      if most == 0 then
        break
      end
      local schema, status, reason = unpack(redis.call('HMGET', P .. 'job:' .. id_of(name), 'schema', 'status', 'reason'))
      if not schema or not open(status) then
        -- An older version, which knows nothing of these lines, ended it.
        redis.call('ZREM', line, name)
      else
        rank = rank + 1
        -- One that such a version works on is not to be moved now; one of a newer version is left to that.
        if reason ~= 'running' and tonumber(schema) <= tonumber(ARGV[4]) then
          if skip > 0 then
            skip = skip - 1
          else
            most = most - 1
            answer[#answer + 1] = whole(id_of(name))
          end
        end
      end
    end
    names = redis.call('ZRANGE', line, rank, rank + 99)
  end
end
return answer
