-- ARGV: a window, how many from it downwards, bytes of a slice, where slices begin...
-- Gives for each window these slices, up to the first that is empty.
local answer, long = {}, tonumber(ARGV[3])
for window = tonumber(ARGV[1]), math.max(ARGV[1] - ARGV[2] + 1, 0), -1 do
  local row = {}
  for i = 4, #ARGV do
    row[#row + 1] = redis.call('GETRANGE', P .. 'search:' .. window, ARGV[i], ARGV[i] + long - 1)
    if row[#row] == '' then
      break
    end
  end
  answer[#answer + 1] = row
end
return answer
