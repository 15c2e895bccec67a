-- ARGV: a moment or '', a later one or ''. Gives {number of the last job created before the one, of the first created
-- after the other or ''}, jobs being numbered about as they are created.
local last = tonumber(redis.call('GET', P .. 'seq') or 0)

local function at_or_after(number)
  -- The next job's number and when it was created; an older version has not noted that.
  local next, id
  for _, status in ipairs(STATUSES) do
    local row = redis.call(
      'ZRANGEBYSCORE', P .. 'list:' .. status, us(number), '+inf', 'WITHSCORES', 'LIMIT', 0, 1
    )
    if row[1] and (not next or tonumber(row[2]) < next) then
      id, next = row[1], tonumber(row[2])
    end
  end
  if not id then
    return nil
  end
  local told = redis.call('HMGET', P .. 'job:' .. id, 'created', 'submitted')
  return next, tonumber(told[1] or told[2])
end

local function first_since(moment)
  local low, high = 0, last + 1
  while low < high do
    local middle = math.floor((low + high) / 2)
    local next, created = at_or_after(middle)
    if not next or created >= moment then
      high = middle
    else
      low = next + 1
    end
  end
  return low
end

local after = ARGV[1] ~= '' and first_since(tonumber(ARGV[1])) - 1 or 0
return {us(math.max(after, 0)), ARGV[2] ~= '' and us(first_since(ARGV[2] + 1)) or ''}
