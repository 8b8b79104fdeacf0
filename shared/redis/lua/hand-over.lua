-- Hands a consumer's pending entries to another, at most a thousand a call, and removes the consumer once it has none left.
-- No `#!lua` line: a server that is out of memory would refuse the script, and work is handed over there too.
--
-- KEYS    a stream
-- ARGV    group, from consumer, to consumer, idle time to set (ms; a long one lets any consumer take them over at once), 1 when the
--         consumer shuts down in order: then nothing counts against its entries, for it has not died over them
-- Result  {entries handed over, 1 when the consumer was removed}

--@ staged.lua

local stream, group, from, inOrder = KEYS[1], ARGV[1], ARGV[2], ARGV[5] == '1'
local most = 1000
local pending = redis.call('XPENDING', stream, group, '-', '+', most + 1, from)
local handed = math.min(#pending, most)
for place = 1, handed do
  local entry = pending[place]
  local deliveries = inOrder and 1 or entry[4]
  stage(CONTENT, 'XCLAIM', stream, group, ARGV[3], 0, entry[1], 'IDLE', ARGV[4], 'RETRYCOUNT', deliveries, 'JUSTID')
end
local isGone = #pending <= most
if isGone then stage(OVER, 'XGROUP', 'DELCONSUMER', stream, group, from) end
flush()
return { handed, isGone and 1 or 0 }
