#!lua
-- Moves delayed entries that are due back to the streams they came from.
--
-- KEYS    the delay sets, then every stream their members may name
-- ARGV    how many of the keys are delay sets, now (ms), most to move from each
-- Result  when the next one is due (ms), or -1
-- Members are the stream's key, a line feed, and the entry's text.

local soonest = -1
for place = 1, tonumber(ARGV[1]) do
  local set = KEYS[place]
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', set, '-inf', ARGV[2], 'LIMIT', 0, ARGV[3])) do
    local cut = string.find(member, '\n', 1, true)
    redis.call('XADD', string.sub(member, 1, cut - 1), '*', 'envelope', string.sub(member, cut + 1))
    redis.call('ZREM', set, member)
  end
  local due = tonumber(redis.call('ZRANGE', set, 0, 0, 'WITHSCORES')[2])
  if due and (soonest < 0 or due < soonest) then soonest = math.floor(due) end
end
return soonest
