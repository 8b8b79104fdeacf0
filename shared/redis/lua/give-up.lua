-- Hands a consumer's pending entries to another, at most a thousand a call, and removes the consumer once it has none left.
-- No `#!lua` line: a server that is out of memory would refuse the script, and work is handed over there too.
--
-- KEYS    a stream
-- ARGV    group, from consumer, to consumer, idle time to give them (ms; a long one lets anybody take them over at once), deliveries up to
--         which this counts as one; 0 when the consumer leaves in order: then what it has begins anew, for it has not died of it
-- Result  {entries handed over, 1 when the consumer is gone}

local stream, group, from, most = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[5])
local pending = redis.call('XPENDING', stream, group, '-', '+', 1000, from)
for _, entry in ipairs(pending) do
  local deliveries = most == 0 and 1 or math.max(entry[4], math.min(most, entry[4] + 1))
  redis.call('XCLAIM', stream, group, ARGV[3], 0, entry[1], 'IDLE', ARGV[4], 'RETRYCOUNT', deliveries, 'JUSTID')
end
if #redis.call('XPENDING', stream, group, '-', '+', 1, from) > 0 then return { #pending, 0 } end
redis.call('XGROUP', 'DELCONSUMER', stream, group, from)
return { #pending, 1 }
