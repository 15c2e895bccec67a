-- ARGV: most jobs, how long a job is kept that does not say so itself, in µs, or ''.
-- Gives {now, jobs...}: up to that many that say it themselves, then up to that many of the others.
local now = clock()
local answer = {us(now)}
local function take(key, before)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', P .. key, '-inf', us(before), 'LIMIT', 0, ARGV[1])) do
    answer[#answer + 1] = whole(id)
  end
end
take('expires', now)
if ARGV[2] ~= '' then
  take('ended', now - tonumber(ARGV[2]))
end
return answer
