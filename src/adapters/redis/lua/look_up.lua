-- ARGV: suffix of the lists, most jobs, number of lists, lists..., places...
-- Gives {how many of the places were looked up, jobs...}: those that are in one of the lists, in the order of the places.
local most, last = tonumber(ARGV[2]), 3 + ARGV[3]
local answer = {0}
for i = last + 1, #ARGV do
  answer[1] = i - last
  for j = 4, last do
    local id = redis.call('ZRANGEBYSCORE', P .. 'list:' .. ARGV[j] .. ARGV[1], ARGV[i], ARGV[i])[1]
    if id then
      answer[#answer + 1] = whole(id)
      break
    end
  end
  if #answer > most then
    break
  end
end
return answer
