-- ARGV: id, '1' for a favourite or ''. Gives {now, 'missing' | 'deleted'} or {now, 'ok', the job}.
local now = clock()
local job = read(ARGV[1])
if not job or job.deleted then
  return {us(now), job and 'deleted' or 'missing'}
end
unlist(job, 'favourite')
redis.call('HDEL', P .. 'job:' .. job.id, 'favourite')
if ARGV[2] == '1' then
  redis.call('HSET', P .. 'job:' .. job.id, 'favourite', 1)
  enlist(job, 'favourite')
end
return {us(now), 'ok', whole(job.id)}
