#!lua
-- Pauses the sink, or names another reason where it is paused already.
--
-- KEYS    the sink
-- ARGV    now (ms; '' for the server's clock), the digest of its settings, why, how long until the first try (ms) and between two at most
-- Result  1 where it was not paused before, else 0

--@ clock.lua
--@ staged.lua

local sink = KEYS[1]
local given, settings, why, firstMs, mostMs = unpack(ARGV)
now = tonumber(given) or now
local isNew = get(sink, SINK.settings) ~= settings
if isNew then
  drop(sink, SINK.trier)
  put(GUARDS, sink, SINK.settings, settings)
  put(GUARDS, sink, SINK.since, now)
  put(GUARDS, sink, SINK.tryAt, now + tonumber(firstMs))
  put(GUARDS, sink, SINK.tryMs, firstMs)
end
put(GUARDS, sink, SINK.why, why)
put(GUARDS, sink, SINK.mostMs, mostMs)
flush()
return isNew and 1 or 0
