-- Finds a consumer's delivered and unacknowledged entries, and renews their lease. This counts no further delivery, as reading them again
-- from the stream would: a lost connection is no crash.
-- No `#!lua` line: a server that is out of memory would refuse the script, and started work must end there too.
--
-- KEYS    a stream
-- ARGV    group, consumer, the id after which to continue, the most entries to inspect
-- Result  {entries as {id, fields, deliveries}; how many entries were trimmed, which are acknowledged; the last inspected id, or ''}

local group, me = ARGV[1], ARGV[2]

--@ staged.lua
--@ take.lua

local entries, trimmed, last = {}, 0, ''
for _, pending in ipairs(redis.call('XPENDING', KEYS[1], group, '(' .. ARGV[3], '+', ARGV[4], me)) do
  last = pending[1]
  local entry = take(KEYS[1], last, pending[4])
  if entry then entries[#entries + 1] = entry else trimmed = trimmed + 1 end
end
flush()
return { entries, trimmed, last }
