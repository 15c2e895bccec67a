-- What the scripts share: the keys, the clock, and where a job stands in the indexes. Times are whole µs.
--
--   job:<id>            hash: `body` is the JSON record; the other fields change without it and overrule it.
--                       Of a deleted job only `deleted` and `nonce` are left.
--   ready:<backend>     claimable jobs, in the order of claiming: score by priority and turn, member <seq>:<id>
--   ready:<backend>:<checkpoint>  those of them for that checkpoint, or for none; `checkpoints:<backend>` has the names
--   turns:<backend>     hash: the latest turn that was claimed, by priority, and the last that each owner was given
--   waiting:<backend>   the same members by the moment they became claimable
--   leased:<backend>    started jobs by the end of their lease, same members; moved to ready by the next claim
--   movable:<backend>   waiting jobs that may go to another backend, members and scores as in ready; stranded:<backend>
--                       has those that wait for nothing else
--   overdue             open jobs by the moment the sweep must end them
--   list:<status>[...]  jobs by number of submit: all, of a backend (:b:), of an owner (:o:), of both (:bo:);
--                       those marked as favourites are in such lists besides, as if that were a status
--   search:<window>     what 2048 jobs with successive numbers are searched by, as adapters.redis.job_search has it;
--                       `searched` is how many chunks of them were entered
--   expires             ended jobs that say how long they are kept, by the moment that is over; `ended` has the
--                       others by their end, and `aged` the number up to which older jobs were entered there
--   runs:<backend>      how long the last finished jobs took
--   idem:<key>          <id>,<id>...:<fingerprint> of the submit that an idempotency key stands for
--   claim:<nonce>       <id>:<token> of a claim, for a repetition after a lost answer
--   events              the stream of what happened; `events:first` is its very first entry, trimmed or not
--   progress:<id>       how far a started job has come
--   delivery:<id>       hash: the message to a job's webhook about its end
--   deliveries:<host>   pending ones by the moment they are due or their sender is taken for dead
--   deliveries          hosts by the first such moment of theirs, so that a host of many costs no more than one of few
--   webhook-secrets:<owner>  hash: what an owner's messages are signed with
--   pauses              hash: `<since> <reason and operator as JSON>` by backend that an operator has stopped
--   workers             names of workers by the moment they count as gone; hash `workers:said`: what each said last, and when
--   history:<backend>   hash: `<most waiting> <most under way> <longest wait>` by number of the minute
--   spent:<day>         hash of sums in whole µ-credits: `all`, and `o:<owner>` for each owner
--   spending:<job>      hash: day, owner, credits, settled; `spending:open` has the jobs whose true cost is not known yet,
--                       by when they were reserved. Sums and settled entries are kept for 62 days.
--   seq                 the number of the last submit
--
-- Under `noeviction` Redis refuses the first write of a script that needs memory, but none after a write that frees
-- some. So whatever keeps a running job going begins with a removal; only `add` does not.
local P = KEYS[1]
local KEPT_RUNS = 50
local KEPT_SPENDING = 62 * 86400
local WINDOW = 2048
local STATUSES = {'finished', 'failed', 'cancelled', 'started', 'queued'}

local function us(number)
  -- tostring() would cut a number of this size to 14 digits.
  return string.format('%.0f', number)
end

local function clock()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000000 + tonumber(time[2])
end

local HOT = {
  'id', 'birth', 'nonce', 'deleted', 'schema', 'version', 'status', 'attempt', 'crashes', 'cancel', 'priority',
  'backend', 'owner', 'seq', 'turn', 'submitted', 'started', 'worker', 'token', 'since', 'until', 'reason', 'run_limit', 'deadline', 'favourite',
  'checkpoint', 'passed', 'movable'
}

local function read(id)
  -- A job without its body; nil when there is none. A deleted one has `deleted` and no `id`.
  local values, job = redis.call('HMGET', P .. 'job:' .. id, unpack(HOT)), {}
  for i, name in ipairs(HOT) do
    job[name] = values[i] or nil
  end
  return (job.id or job.deleted) and job or nil
end

-- What a job is read by, in the order that layout.SHOWN has too.
local SHOWN = {
  'body', 'deleted', 'version', 'status', 'attempt', 'crashes', 'cancel', 'started', 'worker', 'token', 'since', 'until',
  'reason', 'favourite', 'seq'
}

local function whole(id)
  return redis.call('HMGET', P .. 'job:' .. id, unpack(SHOWN))
end

local function known(idem, fingerprint)
  -- What an idempotency key stands for: {'known', jobs...}, {'mismatch'}, {'deleted'}, or nil for nothing.
  local first = idem ~= '' and redis.call('GET', P .. 'idem:' .. idem)
  if not first then
    return nil
  end
  local split = string.find(first, ':', 1, true)
  if string.sub(first, split + 1) ~= fingerprint then
    return {'mismatch'}
  end
  local answer = {'known'}
  for id in string.gmatch(string.sub(first, 1, split - 1), '[^,]+') do
    if redis.call('HEXISTS', P .. 'job:' .. id, 'body') == 0 then
      return {'deleted'}
    end
    answer[#answer + 1] = whole(id)
  end
  return answer
end

local function pairs_from(first, count)
  local fields, flat = {}, {}
  for i = first, first + 2 * count - 2, 2 do
    fields[ARGV[i]] = ARGV[i + 1]
    flat[#flat + 1] = ARGV[i]
    flat[#flat + 1] = ARGV[i + 1]
  end
  return fields, flat
end

local function append(maxlen, ...)
  local log = P .. 'events'
  local place_in_log = redis.call('XADD', log, 'MAXLEN', '~', maxlen, '*', ...)
  if redis.call('XLEN', log) == 1 then
    redis.call('SET', P .. 'events:first', place_in_log)
  end
end

local function append_all(maxlen, first)
  -- The rest of ARGV: for each event the number of its fields, then names and values.
  local i = first
  while i <= #ARGV do
    local count = tonumber(ARGV[i])
    local _, flat = pairs_from(i + 1, count)
    append(maxlen, unpack(flat))
    i = i + 1 + 2 * count
  end
end

local function member(job)
  return string.format('%016.0f', tonumber(job.seq)) .. ':' .. job.id
end

local function id_of(name)
  return string.sub(name, 18)
end

local function open(status)
  return status == 'queued' or status == 'started'
end

local function line_of(backend, checkpoint)
  return P .. 'ready:' .. backend .. ':' .. checkpoint
end

local function out_of_line(job, name)
  -- Takes a job from where claims look for it.
  if job.checkpoint then
    redis.call('ZREM', line_of(job.backend, job.checkpoint), name)
  end
  redis.call('ZREM', P .. 'ready:' .. job.backend, name)
  redis.call('ZREM', P .. 'waiting:' .. job.backend, name)
  redis.call('ZREM', P .. 'leased:' .. job.backend, name)
end

local function unqueue(job)
  local name = member(job)
  out_of_line(job, name)
  -- Most stay whatever happens, and say nothing.
  if job.movable then
    redis.call('ZREM', P .. 'movable:' .. job.backend, name)
    redis.call('ZREM', P .. 'stranded:' .. job.backend, name)
  end
end

local function order(job)
  -- Priority before turn: a score is exact up to 2^53. What an older version put there has no turn and goes first.
  local priority = math.max(-4096, math.min(4096, tonumber(job.priority)))
  return us(tonumber(job.turn or 0) - priority * 1099511627776)
end

local function give_turn(job, waiting)
  -- `waiting` is how many jobs of its owner are queued at its backend.
  local turns, own = P .. 'turns:' .. job.backend, job.priority .. (job.owner and ':' .. job.owner or '-')
  local told = redis.call('HMGET', turns, job.priority, own)
  local before = tonumber(told[1] or 0)
  if waiting > 0 then
    before = math.max(before, tonumber(told[2] or 0))
  end
  job.turn = us(before + 1)
  redis.call('HSET', turns, own, job.turn)
end

local function line_up(job, name, since)
  redis.call('ZADD', P .. 'ready:' .. job.backend, order(job), name)
  redis.call('ZADD', P .. 'waiting:' .. job.backend, us(since), name)
  -- A job of an older version says nothing of its checkpoint, and is found once it is the first.
  if job.checkpoint then
    redis.call('ZADD', line_of(job.backend, job.checkpoint), order(job), name)
    redis.call('SADD', P .. 'checkpoints:' .. job.backend, job.checkpoint)
  end
end

local function place(job, due, now)
  -- Puts a job where its status and its lease say; `due` is when it is overdue, or ''.
  unqueue(job)
  if job.status == 'queued' then
    line_up(job, member(job), tonumber(job.submitted))
  elseif job.status == 'started' then
    local ends = tonumber(job['until'] or now)
    if ends <= now then
      line_up(job, member(job), ends)
    else
      redis.call('ZADD', P .. 'leased:' .. job.backend, us(ends), member(job))
    end
  end
  if job.movable == 'movable' or job.movable == 'stranded' then
    redis.call('ZADD', P .. job.movable .. ':' .. job.backend, order(job), member(job))
  end
  redis.call('ZREM', P .. 'overdue', job.id)
  if open(job.status) and due ~= '' then
    redis.call('ZADD', P .. 'overdue', due, job.id)
  end
end

local function age(job)
  -- An ended job that says itself how long it is kept has a moment of its own; others expire by the service's setting.
  if open(job.status) then
    return
  end
  if job.expires then
    redis.call('ZADD', P .. 'expires', job.expires, job.id)
  elseif job.ended then
    redis.call('ZADD', P .. 'ended', job.ended, job.id)
  end
end

local function schedule(id, host, due)
  -- Has a message sent at that moment, or not at all if it is ''.
  local own, hosts = P .. 'deliveries:' .. host, P .. 'deliveries'
  if due == '' then
    redis.call('ZREM', own, id)
  else
    redis.call('ZADD', own, due, id)
  end
  local first = redis.call('ZRANGE', own, 0, 0, 'WITHSCORES')
  if first[1] then
    redis.call('ZADD', hosts, first[2], host)
  else
    redis.call('ZREM', hosts, host)
  end
end

local function owe(job, now)
  -- The message that an end causes; `hook` is <event>@<host> of an end that the job's webhook wants.
  if not job.hook or open(job.status) then
    return
  end
  local event, host = string.match(job.hook, '^(.-)@(.*)$')
  redis.call(
    'HSET', P .. 'delivery:' .. job.id, 'job_id', job.id, 'event', event, 'host', host, 'created', us(now),
    'state', 'pending', 'due', us(now), 'tries', 0, 'attempts', '[]'
  )
  schedule(job.id, host, us(now))
end

local function forget_delivery(id)
  local host = redis.call('HGET', P .. 'delivery:' .. id, 'host')
  if host then
    schedule(id, host, '')
    redis.call('DEL', P .. 'delivery:' .. id)
  end
end

local function lists(job, status)
  local all = P .. 'list:' .. status
  local keys = {all, all .. ':b:' .. job.backend}
  if job.owner then
    keys[3] = all .. ':bo:' .. job.backend .. ':' .. job.owner
    keys[4] = all .. ':o:' .. job.owner
  elseif status == 'queued' then
    -- Nobody lists the jobs of no owner, but they share a limit.
    keys[3] = all .. ':b-:' .. job.backend
  end
  return keys
end

local function unlist(job, status)
  for _, key in ipairs(lists(job, status)) do
    redis.call('ZREM', key, job.id)
  end
end

local function enlist(job, status)
  for _, key in ipairs(lists(job, status)) do
    redis.call('ZADD', key, job.seq, job.id)
  end
end

local function mean_run(backend)
  local runs = redis.call('LRANGE', P .. 'runs:' .. backend, 0, -1)
  if #runs == 0 then
    return ''
  end
  local sum = 0
  for _, run in ipairs(runs) do
    sum = sum + tonumber(run)
  end
  return us(sum / #runs)
end

local function refusal(job, now, most, most_of_owner, waiting)
  -- What to answer when the queue has no room for one more job: {now, 'full' | 'full_mine', mean run or '', started}, or
  -- nil. `waiting` counts those that were let in before by the same script.
  local keys = lists(job, 'queued')
  for _, limit in ipairs({{'full_mine', most_of_owner, keys[3]}, {'full', most, keys[2]}}) do
    local name, limited, key = unpack(limit)
    if limited ~= '' then
      waiting[key] = (waiting[key] or redis.call('ZCARD', key)) + 1
      if waiting[key] > tonumber(limited) then
        local started = redis.call('ZCOUNT', P .. 'leased:' .. job.backend, '(' .. us(now), '+inf')
        return {us(now), name, mean_run(job.backend), started}
      end
    end
  end
  return nil
end

local function unused(window)
  -- Whether no job with a number in that window is left.
  for _, status in ipairs(STATUSES) do
    if redis.call('ZCOUNT', P .. 'list:' .. status, us(window * WINDOW), us((window + 1) * WINDOW - 1)) > 0 then
      return false
    end
  end
  return true
end

local function promote(backend, now)
  -- Leases that have run out: whoever held them, the jobs are anybody's.
  local leased = P .. 'leased:' .. backend
  local expired = redis.call('ZRANGEBYSCORE', leased, '-inf', us(now), 'WITHSCORES')
  for i = 1, #expired, 2 do
    local name = expired[i]
    redis.call('ZREM', leased, name)
    local id = id_of(name)
    local known = redis.call('HMGET', P .. 'job:' .. id, 'priority', 'turn', 'checkpoint')
    if known[1] then
      local job = {backend = backend, priority = known[1], turn = known[2] or nil, checkpoint = known[3] or nil}
      line_up(job, name, tonumber(expired[i + 1]))
    end
  end
end

local function spending_of(job)
  return P .. 'spending:' .. job
end

local function add_spent(day, owner, credits)
  local sums = P .. 'spent:' .. day
  redis.call('HINCRBY', sums, 'all', us(credits))
  redis.call('HINCRBY', sums, 'o:' .. owner, us(credits))
  redis.call('EXPIRE', sums, KEPT_SPENDING)
end

local function claim_from(at)
  -- Credits to be set aside: job, day, owner or '', credits, owner's limit or '', limit of all or ''.
  return {
    job = ARGV[at], day = ARGV[at + 1], owner = ARGV[at + 2], credits = tonumber(ARGV[at + 3]),
    owners = ARGV[at + 4], all = ARGV[at + 5], before = redis.call('HMGET', spending_of(ARGV[at]), 'day', 'owner', 'credits')
  }
end

local function credits_refused(claim)
  -- Which sum of the day would be too large, 'owner' or 'total'; nil for none.
  local more = claim.credits
  if claim.before[1] == claim.day then
    -- What is set aside already counts in the sums of its day.
    more = more - tonumber(claim.before[3])
  end
  local function over(field, limit)
    local spent = tonumber(redis.call('HGET', P .. 'spent:' .. claim.day, field) or 0)
    return more > 0 and limit ~= '' and spent + more > tonumber(limit)
  end
  if over('o:' .. claim.owner, claim.owners) then
    return 'owner'
  end
  return over('all', claim.all) and 'total' or nil
end

local function set_aside(claim)
  -- In the place of whatever is there for the job, settled or not.
  local entry, before = spending_of(claim.job), claim.before
  if claim.credits == 0 and not before[1] then
    return
  end
  -- The first write, and on purpose one that Redis refuses when its memory is full.
  redis.call('HSET', entry, 'day', claim.day, 'owner', claim.owner, 'credits', us(claim.credits), 'settled', 0)
  redis.call('PERSIST', entry)
  redis.call('ZADD', P .. 'spending:open', 'NX', us(clock()), claim.job)
  if before[1] then
    add_spent(before[1], before[2], -tonumber(before[3]))
  end
  add_spent(claim.day, claim.owner, claim.credits)
end
