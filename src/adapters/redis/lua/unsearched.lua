-- ARGV: jobs of a chunk. Gives {mark, next chunk or '', its jobs' numbers and bodies...}; '' unless all of its numbers
-- were given.
local size = tonumber(ARGV[1])
local mark = redis.call('GET', P .. 'searched') or '0'
local first
for _, status in ipairs(STATUSES) do
  local next = redis.call(
    'ZRANGEBYSCORE', P .. 'list:' .. status, us(mark * size), '+inf', 'WITHSCORES', 'LIMIT', 0, 1
  )[2]
  first = next and math.min(first or next, next) or first
end
local chunk = first and math.floor(first / size)
if not chunk or tonumber(redis.call('GET', P .. 'seq')) < (chunk + 1) * size - 1 then
  return {mark, ''}
end
local answer = {mark, us(chunk)}
for _, status in ipairs(STATUSES) do
  local rows = redis.call(
    'ZRANGEBYSCORE', P .. 'list:' .. status, us(chunk * size), us((chunk + 1) * size - 1), 'WITHSCORES'
  )
  for i = 1, #rows, 2 do
    answer[#answer + 1] = rows[i + 1]
    answer[#answer + 1] = redis.call('HGET', P .. 'job:' .. rows[i], 'body')
  end
end
return answer
