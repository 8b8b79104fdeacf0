-- Records that a suspect entry, over which processes died, is about to be tried alone: counted as one more delivery before the work begins.
-- No `#!lua` line: a server that is out of memory would refuse the script, and work continues there.
--
-- KEYS    a stream
-- ARGV    group, consumer, entry id
-- Result  the new number of deliveries, or 0 when another consumer has the entry

local pending = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[3], ARGV[3], 1, ARGV[2])[1]
if not pending then return 0 end
redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[3], 'RETRYCOUNT', pending[4] + 1, 'JUSTID')
return pending[4] + 1
