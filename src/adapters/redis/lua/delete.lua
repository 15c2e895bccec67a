-- ARGV: id, nonce, version it was read at, maxlen, events...
-- Gives {now, 'ok' | 'missing' | 'deleted' | 'open' | 'stale'}.
local id, nonce = ARGV[1], ARGV[2]
local key = P .. 'job:' .. id
local now = clock()
local job = read(id)
if not job then
  return {us(now), 'missing'}
end
if job.deleted then
  return {us(now), job.nonce == nonce and 'ok' or 'deleted'}
end
if open(job.status) then
  return {us(now), 'open'}
end
if job.version ~= ARGV[3] then
  return {us(now), 'stale'}
end
redis.call('DEL', key, P .. 'progress:' .. id)
-- Nobody but its owner is told that it was there.
redis.call('HSET', key, 'deleted', us(now) .. ' ' .. (job.owner or ''), 'nonce', nonce)
redis.call('ZREM', P .. 'expires', id)
redis.call('ZREM', P .. 'ended', id)
forget_delivery(id)
unlist(job, job.status)
unlist(job, 'favourite')
local window = math.floor(job.seq / WINDOW)
if unused(window) then
  redis.call('UNLINK', P .. 'search:' .. window)
end
append_all(ARGV[4], 5)
return {us(now), 'ok'}
