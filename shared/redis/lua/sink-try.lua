#!lua
-- Returns whether a task may go to the sink. Of all tasks that wait for a paused one, one may try it when the time has come; each try makes
-- the next wait twice as long.
--
-- KEYS    the sink
-- ARGV    now (ms; '' for the server's clock), the digest of its settings, the id of this question
-- Result  {'go'} | {'try'} | {'wait', when the next try is (ms), why}

--@ clock.lua
--@ staged.lua

local sink = KEYS[1]
local given, settings, id = unpack(ARGV)
now = tonumber(given) or now
prefetch(sink, { SINK.settings, SINK.trier, SINK.tryAt, SINK.why })
-- Other settings may have mended it.
if get(sink, SINK.settings) ~= settings then return { 'go' } end
if get(sink, SINK.trier) == id then return { 'try' } end
if number(sink, SINK.tryAt) > now then return { 'wait', number(sink, SINK.tryAt), get(sink, SINK.why) or '' } end
local waitMs = math.min(number(sink, SINK.mostMs), 2 * number(sink, SINK.tryMs))
put(GUARDS, sink, SINK.trier, id)
put(GUARDS, sink, SINK.tryAt, now + waitMs)
put(GUARDS, sink, SINK.tryMs, waitMs)
flush()
return { 'try' }
