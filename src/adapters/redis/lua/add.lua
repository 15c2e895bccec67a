-- ARGV: id, nonce, idem key or '', idem fingerprint, idem ttl in ms, max_queued or '', max_queued_per_owner or '',
--       overdue at or '', maxlen, number of fields, fields..., events...
-- Gives {now, 'ok' | 'known', the job}, {now, 'mismatch' | 'deleted' | 'taken'} or
-- {now, 'full' | 'full_mine', mean run or '', started}.
local id, nonce, idem = ARGV[1], ARGV[2], ARGV[3]
local now = clock()
local stored = read(id)
if stored and stored.birth == nonce then
  return {us(now), 'ok', whole(id)}
end
if idem ~= '' then
  local first = redis.call('GET', P .. 'idem:' .. idem)
  if first then
    local split = string.find(first, ':', 1, true)
    local known = string.sub(first, 1, split - 1)
    if string.sub(first, split + 1) ~= ARGV[4] then
      return {us(now), 'mismatch'}
    elseif redis.call('HEXISTS', P .. 'job:' .. known, 'body') == 0 then
      return {us(now), 'deleted'}
    end
    return {us(now), 'known', whole(known)}
  end
end
if stored then
  return {us(now), 'taken'}
end
local count = tonumber(ARGV[10])
local job, fields = pairs_from(11, count)
job.id = id

local function refusal(name, limit, waiting)
  if limit == '' or redis.call('ZCARD', waiting) < tonumber(limit) then
    return nil
  end
  local started = redis.call('ZCOUNT', P .. 'leased:' .. job.backend, '(' .. us(now), '+inf')
  return {us(now), name, mean_run(job.backend), started}
end

local waiting = lists(job, 'queued')
local full = refusal('full_mine', ARGV[7], waiting[3]) or refusal('full', ARGV[6], waiting[2])
if full then
  return full
end
-- The first write, and on purpose one that Redis refuses when its memory is full.
job.seq = us(redis.call('INCR', P .. 'seq'))
job.submitted = us(now)
redis.call(
  'HSET', P .. 'job:' .. id, 'id', id, 'birth', nonce, 'seq', job.seq, 'submitted', job.submitted, unpack(fields)
)
place(job, ARGV[8], now)
age(job)
enlist(job, job.status)
if idem ~= '' then
  redis.call('SET', P .. 'idem:' .. idem, id .. ':' .. ARGV[4], 'PX', ARGV[5])
end
append_all(ARGV[9], 11 + 2 * count)
return {us(now), 'ok', whole(id)}
