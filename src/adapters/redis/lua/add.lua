-- ARGV: nonce, idem key or '', idem fingerprint, idem ttl in ms, max_queued or '', max_queued_per_owner or '', maxlen,
--       number of jobs, for each (id, overdue at or '', number of fields, fields...), number of claims, six of each, events...
-- Gives {now, 'ok'}, {now, 'known', jobs...}, {now, 'mismatch' | 'deleted'}, {now, 'taken', id}, {now, 'owner' | 'total'} or
-- {now, 'full' | 'full_mine', mean run or '', started}.
local nonce, idem, maxlen = ARGV[1], ARGV[2], ARGV[7]
local now = clock()
local at, jobs = 9, {}
for n = 1, tonumber(ARGV[8]) do
  local count = tonumber(ARGV[at + 2])
  local job, fields = pairs_from(at + 3, count)
  job.id = ARGV[at]
  jobs[n] = {job = job, due = ARGV[at + 1], fields = fields}
  at = at + 3 + 2 * count
end
local claims = tonumber(ARGV[at])
local told = at + 1 + 6 * claims

if #jobs > 0 and redis.call('HGET', P .. 'job:' .. jobs[1].job.id, 'birth') == nonce then
  return {us(now), 'ok'}
end
local first = known(idem, ARGV[3])
if first then
  return {us(now), unpack(first)}
end
local given = {}
for _, new in ipairs(jobs) do
  local id = new.job.id
  if given[id] or redis.call('EXISTS', P .. 'job:' .. id) == 1 then
    return {us(now), 'taken', id}
  end
  given[id] = true
end

if claims > 0 then
  -- They are of one owner and one day, and are held against the limits together.
  local whole = claim_from(at + 1)
  for n = 2, claims do
    whole.credits = whole.credits + tonumber(ARGV[at + 6 * n - 2])
  end
  local dear = credits_refused(whole)
  if dear then
    return {us(now), dear}
  end
end
local waiting = {}
for _, new in ipairs(jobs) do
  local full = refusal(new.job, now, ARGV[5], ARGV[6], waiting)
  if full then
    return full
  end
end
for n = 1, claims do
  set_aside(claim_from(at + 6 * n - 5))
end
local ids = {}
for n, new in ipairs(jobs) do
  local job = new.job
  -- The first write but for credits, and on purpose one that Redis refuses when its memory is full.
  job.seq = us(redis.call('INCR', P .. 'seq'))
  job.submitted = us(now)
  give_turn(job, redis.call('ZCARD', lists(job, 'queued')[3]))
  redis.call(
    'HSET', P .. 'job:' .. job.id, 'id', job.id, 'birth', nonce, 'seq', job.seq, 'turn', job.turn,
    'submitted', job.submitted, unpack(new.fields)
  )
  place(job, new.due, now)
  age(job)
  enlist(job, job.status)
  ids[n] = job.id
end
if idem ~= '' then
  redis.call('SET', P .. 'idem:' .. idem, table.concat(ids, ',') .. ':' .. ARGV[3], 'PX', ARGV[4])
end
append_all(maxlen, told)
return {us(now), 'ok'}
