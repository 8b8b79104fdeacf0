-- Hands a consumer's pending entries to another, at most a thousand a call, and removes the consumer once it has none left.
-- No `#!lua` line: a server that is out of memory would refuse the script, and work is handed over there too.
--
-- KEYS    a stream
-- ARGV    group, from consumer, to consumer, idle time to give them (ms; a long one lets anybody take them over at once), 1 when the
--         consumer leaves in order: then nothing counts against what it has, for it has not died over it
-- Result  {entries handed over, 1 when the consumer is gone}

local stream, group, from, inOrder = KEYS[1], ARGV[1], ARGV[2], ARGV[5] == '1'
local pending = redis.call('XPENDING', stream, group, '-', '+', 1000, from)
for _, entry in ipairs(pending) do
  local deliveries = inOrder and 1 or entry[4]
  redis.call('XCLAIM', stream, group, ARGV[3], 0, entry[1], 'IDLE', ARGV[4], 'RETRYCOUNT', deliveries, 'JUSTID')
end
if #redis.call('XPENDING', stream, group, '-', '+', 1, from) > 0 then return { #pending, 0 } end
redis.call('XGROUP', 'DELCONSUMER', stream, group, from)
return { #pending, 1 }
