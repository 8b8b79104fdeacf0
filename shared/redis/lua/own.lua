-- Finds again what was delivered to a consumer and is not acknowledged, and renews its lease. It is not counted as one more delivery, as
-- reading it again from the stream would be: a lost connection is no crash.
-- No `#!lua` line: a server that is out of memory would refuse the script, and what was begun has to be ended there too.
--
-- KEYS    a stream
-- ARGV    group, consumer, the id after which to go on, most to look at
-- Result  {entries as {id, fields, deliveries}; count of entries trimmed away, which are acknowledged; the last id looked at, or ''}

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
