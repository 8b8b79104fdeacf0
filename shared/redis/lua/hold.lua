-- Renews the lease of entries that are still ours; an entry that another took over stays with the other.
-- No `#!lua` line: a server that is out of memory would refuse the script, and whoever works there keeps his work.
--
-- KEYS    a stream
-- ARGV    group, consumer, entry ids…
-- Result  the ids that are no longer ours

local lost = {}
for at = 3, #ARGV do
  if #redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[at], ARGV[at], 1, ARGV[2]) == 1 then
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[at], 'JUSTID')
  else
    lost[#lost + 1] = ARGV[at]
  end
end
return lost
