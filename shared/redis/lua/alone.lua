-- Notes that an entry which processes died over is about to be worked on alone: counted as one more delivery, before the work begins.
-- No `#!lua` line: a server that is out of memory would refuse the script, and work goes on there.
--
-- KEYS    a stream
-- ARGV    group, consumer, entry id
-- Result  how many deliveries that makes, or 0 when the entry is another's

local pending = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[3], ARGV[3], 1, ARGV[2])[1]
if not pending then return 0 end
redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[3], 'RETRYCOUNT', pending[4] + 1, 'JUSTID')
return pending[4] + 1
