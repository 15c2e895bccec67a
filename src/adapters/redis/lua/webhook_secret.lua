-- ARGV: owner, a fresh secret, how long to keep the one before in µs, or '' to replace none.
-- Gives {now, current, previous or '', until when or ''}.
local now, key = clock(), P .. 'webhook-secrets:' .. ARGV[1]
local current = redis.call('HGET', key, 'current')
if not current then
  redis.call('HSET', key, 'current', ARGV[2])
elseif ARGV[3] ~= '' and current ~= ARGV[2] then
  -- The same fresh one is the same rotation, sent again after a lost answer.
  redis.call('HSET', key, 'current', ARGV[2], 'previous', current, 'until', us(now + tonumber(ARGV[3])))
end
local found = redis.call('HMGET', key, 'current', 'previous', 'until')
return {us(now), found[1], found[2] or '', found[3] or ''}
