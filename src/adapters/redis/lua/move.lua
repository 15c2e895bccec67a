-- ARGV: id, nonce, version it was read at, overdue at or '', maxlen, max_queued or '', max_queued_per_owner or '', six that say
--       what is to be set aside for it or '' for nothing, jobs of a chunk, bytes of a slice, number of slices it is searched
--       by now, those..., number of fields, fields..., events...
-- Gives {now, 'missing' | 'deleted' | 'stale' | 'owner' | 'total'}, {now, 'full' | 'full_mine', mean run or '', started} or
-- {now, 'ok', '1' for a favourite or ''}.
local id, nonce = ARGV[1], ARGV[2]
local key = P .. 'job:' .. id
local now = clock()
local stored = read(id)
if not stored or stored.deleted then
  return {us(now), stored and 'deleted' or 'missing'}
end
if stored.nonce == nonce then
  return {us(now), 'ok', stored.favourite or ''}
end
if not open(stored.status) or stored.version ~= ARGV[3] then
  return {us(now), 'stale'}
end
local after = 17 + tonumber(ARGV[16])
local count = tonumber(ARGV[after])
local job, fields = pairs_from(after + 1, count)
job.id, job.seq, job.submitted = id, stored.seq, stored.submitted
local full = job.status == 'queued' and refusal(job, now, ARGV[6], ARGV[7], {})
if full then
  return full
end
local claim = ARGV[8] ~= '' and claim_from(8)
local dear = claim and credits_refused(claim)
if dear then
  return {us(now), dear}
end
if claim then
  set_aside(claim)
end
unqueue(stored)
unlist(stored, stored.status)
redis.call('HDEL', key, 'nonce', 'worker', 'token', 'since', 'until', 'reason')
give_turn(job, redis.call('ZCARD', lists(job, 'queued')[3]))
redis.call('HSET', key, 'nonce', nonce, 'turn', job.turn, unpack(fields))
place(job, ARGV[4], now)
enlist(job, job.status)
if stored.favourite then
  unlist(stored, 'favourite')
  enlist(job, 'favourite')
end

-- Searches must find it by its new backend and checkpoint: they may name a job wrongly, and never leave one out.
local searched = redis.call('GET', P .. 'searched') or '0'
if tonumber(job.seq) < searched * ARGV[14] then
  local window = P .. 'search:' .. math.floor(job.seq / WINDOW)
  for i = 17, 16 + tonumber(ARGV[16]) do
    local byte = ARGV[i] * ARGV[15] + math.floor(job.seq % WINDOW / 8)
    -- SETBIT counts from the highest bit of a byte, the index from the lowest.
    redis.call('SETBIT', window, us(byte * 8 + 7 - job.seq % 8), 1)
  end
else
  -- It is entered later, and not by whoever has read it already: to them this is another mark, and the same number.
  redis.call('SET', P .. 'searched', '0' .. searched)
end
append_all(ARGV[5], after + 1 + 2 * count)
return {us(now), 'ok', stored.favourite or ''}
