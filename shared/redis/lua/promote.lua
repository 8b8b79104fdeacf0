#!lua
-- Moves delayed entries that are due back to their streams.
--
-- KEYS    the delay sets, then every stream their members may name
-- ARGV    how many of the keys are delay sets, the most to move from each
-- Result  in how many ms the next one is due, or -1
-- Members are the stream's key, a line feed, and the entry's text. Members of other streams stay where they are.

--@ clock.lua
--@ staged.lua

local sets, isStream = tonumber(ARGV[1]), {}
for place = sets + 1, #KEYS do isStream[KEYS[place]] = true end

local soonest
for place = 1, sets do
  local set, moved = KEYS[place], 0
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', set, '-inf', now, 'LIMIT', 0, ARGV[2])) do
    local cut = string.find(member, '\n', 1, true)
    local stream = cut and string.sub(member, 1, cut - 1)
    if isStream[stream] then
      -- One by one, so that few entries are duplicated if a command fails.
      stage(CONTENT, 'XADD', stream, '*', ENTRY.envelope, string.sub(member, cut + 1))
      stage(CONTENT, 'ZREM', set, member)
      moved = moved + 1
    end
  end
  local due = tonumber(redis.call('ZRANGE', set, moved, moved, 'WITHSCORES')[2])
  if due and (not soonest or due < soonest) then soonest = due end
end
flush()
return soonest and math.max(0, math.ceil(soonest - now)) or -1
