-- ARGV: id. Gives how many claimable jobs of its backend come before that one.
local job = read(ARGV[1])
if not job or job.deleted or not open(job.status) then
  return 0
end
promote(job.backend, clock())
local ready, name = P .. 'ready:' .. job.backend, member(job)
local rank = redis.call('ZRANK', ready, name)
if rank then
  return rank
end
-- It runs or is parked: where would it stand now? Nobody sees it there, since a script is one step.
redis.call('ZREM', ready, name)
redis.call('ZADD', ready, order(job), name)
rank = redis.call('ZRANK', ready, name)
redis.call('ZREM', ready, name)
return rank
