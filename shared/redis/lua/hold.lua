-- Renews the lease of entries that are still ours; an entry that another took over stays with the other.
-- No `#!lua` line: a server that is out of memory would refuse the script, and whoever works there keeps his work.
--
-- KEYS    a stream
-- ARGV    group, consumer, 1 if work on them begins now, entry ids…
-- Result  the ids that are no longer ours
-- Work that begins is counted as one more delivery: a process that dies has died over what it worked on, not over what it had read ahead.

local stream, group, me, begins = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3])
local lost = {}
for at = 4, #ARGV do
  local id = ARGV[at]
  local pending = redis.call('XPENDING', stream, group, id, id, 1, me)[1]
  if pending then
    redis.call('XCLAIM', stream, group, me, 0, id, 'RETRYCOUNT', pending[4] + begins, 'JUSTID')
  else
    lost[#lost + 1] = id
  end
end
return lost
