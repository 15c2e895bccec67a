-- ARGV: backend, worker, token, lease in µs, nonce, newest schema the caller reads, maxlen, loaded checkpoint or '',
--       passes, number of the only checkpoints or '' for any, those..., number of those never claimed, those...,
--       nonces of earlier claims whose answer was lost...
-- Gives {now, the job} or {now} when nothing is claimable.
local NO_ATTEMPT = {drain = true, throttled = true, stranded = true, moved = true}
local backend, worker, token, lease, nonce = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5]
local now = clock()
local ends = us(now + lease)

local function names(at)
  -- A list of names as a set, nil where there is none, and where the arguments go on.
  local count = tonumber(ARGV[at])
  if not count then
    return nil, at + 1
  end
  local set = {}
  for i = at + 1, at + count do
    set[ARGV[i]] = true
  end
  return set, at + 1 + count
end

local loaded, passes = ARGV[8], tonumber(ARGV[9])
local only, after = names(10)
local never, earlier = names(after)

local function suits(checkpoint)
  -- A job of an older version says nothing of its checkpoint.
  return not checkpoint or checkpoint == '' or ((not only or only[checkpoint]) and not never[checkpoint])
end

local function remember(id)
  redis.call('SET', P .. 'claim:' .. nonce, id .. ':' .. token, 'PX', math.ceil(lease / 1000) + 1000)
end

local function claimed_by(name)
  -- The job that a claim got, if it is still under that claim's token.
  local mark = redis.call('GET', P .. 'claim:' .. name)
  if not mark then
    return nil
  end
  local split = string.find(mark, ':', 1, true)
  local job = read(string.sub(mark, 1, split - 1))
  if job and job.status == 'started' and job.token == string.sub(mark, split + 1) and job.backend == backend then
    return job
  end
  return nil
end

local repeated = claimed_by(nonce)
if repeated then
  return {us(now), whole(repeated.id)}
end
for i = earlier, #ARGV do
  local job = claimed_by(ARGV[i])
  if job then
    -- Nobody ever learnt of that claim, so it goes on here: the same attempt, under the new token.
    local key = P .. 'job:' .. job.id
    redis.call('DEL', P .. 'claim:' .. ARGV[i])
    redis.call('HSET', key, 'token', token, 'worker', worker, 'until', ends)
    redis.call('HINCRBY', key, 'version', 1)
    unqueue(job)
    redis.call('ZADD', P .. 'leased:' .. backend, ends, member(job))
    remember(job.id)
    return {us(now), whole(job.id)}
  end
end

if redis.call('HEXISTS', P .. 'pauses', backend) == 1 then
  return {us(now)}
end
promote(backend, now)
local ready = P .. 'ready:' .. backend

local function first_of(line)
  -- A job of a newer version is left to a worker that can read it.
  local rank = 0
  while true do
    local name = redis.call('ZRANGE', line, rank, rank)[1]
    if not name then
      return nil
    end
    if redis.call('ZSCORE', ready, name) then
      local job = read(id_of(name))
      if tonumber(job.schema) <= tonumber(ARGV[6]) then
        return job
      end
      rank = rank + 1
    else
      -- An older version, which knows nothing of these lines, took it out of the other.
      redis.call('ZREM', line, name)
    end
  end
end

local function before(one, other)
  local a, b = tonumber(order(one)), tonumber(order(other))
  return a < b or (a == b and member(one) < member(other))
end

local function first_that_suits()
  local first = first_of(ready)
  if not first or suits(first.checkpoint) then
    return first
  end
  first = nil
  for _, checkpoint in ipairs(redis.call('SMEMBERS', P .. 'checkpoints:' .. backend)) do
    local line = line_of(backend, checkpoint)
    local job = suits(checkpoint) and first_of(line)
    if job and (not first or before(job, first)) then
      first = job
    elseif redis.call('EXISTS', line) == 0 then
      redis.call('SREM', P .. 'checkpoints:' .. backend, checkpoint)
    end
  end
  return first
end

local first = first_that_suits()
if not first then
  return {us(now)}
end
local job, wanted = first, first.checkpoint or ''
if loaded ~= '' and suits(loaded) and wanted ~= '' and wanted ~= loaded and tonumber(first.passed or 0) < passes then
  local other = first_of(line_of(backend, loaded))
  if other and other.priority == first.priority then
    job = other
  end
end
local id, key = job.id, P .. 'job:' .. job.id
unqueue(job)
local turns = P .. 'turns:' .. backend
if id ~= first.id then
  redis.call('HINCRBY', P .. 'job:' .. first.id, 'passed', 1)
elseif tonumber(job.turn or 0) > tonumber(redis.call('HGET', turns, job.priority) or 0) then
  redis.call('HSET', turns, job.priority, job.turn)
end
local attempt, crashes = tonumber(job.attempt), tonumber(job.crashes)
if not NO_ATTEMPT[job.reason or ''] then
  attempt = attempt + 1
end
if job.reason == 'running' then
  crashes = crashes + 1
end
redis.call(
  'HSET', key, 'status', 'started', 'version', us(tonumber(job.version) + 1), 'attempt', attempt, 'crashes', crashes,
  'worker', worker, 'token', token, 'since', us(now), 'until', ends, 'reason', 'running', 'started', job.started or us(now)
)
redis.call('ZADD', P .. 'leased:' .. backend, ends, member(job))
local due = now + tonumber(job.run_limit)
if job.deadline then
  due = math.min(due, tonumber(job.deadline))
end
redis.call('ZADD', P .. 'overdue', us(due), id)
if job.status == 'queued' then
  unlist(job, 'queued')
  enlist(job, 'started')
end
remember(id)
local event = {
  'job_id', id, 'kind', job.status == 'queued' and 'started' or 'taken_over', 'status', 'started', 'attempt', attempt,
  'at', us(now), 'backend', backend, 'data', '{}'
}
if job.owner then
  event[#event + 1] = 'owner'
  event[#event + 1] = job.owner
end
append(ARGV[7], unpack(event))
return {us(now), whole(id)}
