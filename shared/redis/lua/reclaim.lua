#!lua
-- Takes over entries whose consumer has not been heard of for a lease.
--
-- KEYS    streams
-- ARGV    group, consumer, lease (ms), most to take in all, then for each stream the cursor of the last call, or 0-0
-- Result  a list for each stream: {cursor for the next call, entries taken as {id, fields}, count of entries trimmed away}

local group, me, left = ARGV[1], ARGV[2], tonumber(ARGV[4])
local answers = {}
for place, stream in ipairs(KEYS) do
  local cursor = ARGV[4 + place]
  if left > 0 then
    local found = redis.call('XAUTOCLAIM', stream, group, me, ARGV[3], cursor, 'COUNT', left)
    answers[place] = { found[1], found[2], #(found[3] or {}) }
    left = left - #found[2]
  else
    answers[place] = { cursor, {}, 0 }
  end
end
return answers
