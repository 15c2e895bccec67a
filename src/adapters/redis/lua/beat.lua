-- ARGV: id, token, lease in µs. Gives {now, 'lost'} or {now, 'ok', whether a cancel is requested}.
local key = P .. 'job:' .. ARGV[1]
local now = clock()
local job = read(ARGV[1])
if not job or job.status ~= 'started' or job.token ~= ARGV[2] then
  return {us(now), 'lost'}
end
local ends = us(math.max(tonumber(job['until']), now + tonumber(ARGV[3])))
redis.call('HDEL', key, 'until')
redis.call('HSET', key, 'until', ends)
-- A parked one stays among those that may be moved: only its moment has changed.
local name = member(job)
out_of_line(job, name)
redis.call('ZADD', P .. 'leased:' .. job.backend, ends, name)
return {us(now), 'ok', job.cancel}
