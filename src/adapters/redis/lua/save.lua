-- ARGV: id, nonce, version it was read at, token or '', overdue at or '', how long it ran or '', maxlen,
--       number of fields, fields..., events...
-- Gives {now, 'missing' | 'deleted' | 'lost' | 'stale'} or {now, 'ok', end of the lease or '', '1' for a favourite or ''}.
local id, nonce, token = ARGV[1], ARGV[2], ARGV[4]
local key = P .. 'job:' .. id
local now = clock()
local stored = read(id)
if stored and stored.nonce == nonce then
  return {us(now), 'ok', stored['until'] or '', stored.favourite or ''}
end
if token ~= '' and (not stored or stored.token ~= token) then
  return {us(now), 'lost'}
end
if not stored or stored.deleted then
  return {us(now), stored and 'deleted' or 'missing'}
end
if not open(stored.status) or stored.version ~= ARGV[3] then
  return {us(now), 'stale'}
end
local count = tonumber(ARGV[8])
local job, fields = pairs_from(9, count)
redis.call('HDEL', key, 'nonce', 'worker', 'token', 'since', 'until', 'reason', 'started', 'deadline')
redis.call('HSET', key, 'nonce', nonce, unpack(fields))
if job.token and job.token == stored.token and tonumber(stored['until']) > tonumber(job['until']) then
  -- A heartbeat came since the job was read, and raises no version: what it gained is not taken back.
  job['until'] = stored['until']
  redis.call('HSET', key, 'until', job['until'])
end
job.id, job.seq, job.turn, job.submitted = id, stored.seq, stored.turn, stored.submitted
place(job, ARGV[5], now)
age(job)
if job.status ~= stored.status then
  unlist(job, stored.status)
  enlist(job, job.status)
end
owe(job, now)
if not open(job.status) then
  redis.call('DEL', P .. 'progress:' .. id)
  if ARGV[6] ~= '' then
    redis.call('LPUSH', P .. 'runs:' .. job.backend, ARGV[6])
    redis.call('LTRIM', P .. 'runs:' .. job.backend, 0, KEPT_RUNS - 1)
  end
end
append_all(ARGV[7], 9 + 2 * count)
return {us(now), 'ok', job['until'] or '', stored.favourite or ''}
