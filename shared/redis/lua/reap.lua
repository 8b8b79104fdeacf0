#!lua
-- Removes consumers that were silent for long and have no pending entry. A consumer with a pending entry stays, and so does the entry.
--
-- KEYS    streams of one partition, once for each group to inspect
-- ARGV    silence (ms), then the group for each stream
-- Result  {{place of the stream, consumer}…}: the removed consumers

--@ staged.lua

local removed = {}
for place, stream in ipairs(KEYS) do
  local group = ARGV[place + 1]
  local consumers = redis.pcall('XINFO', 'CONSUMERS', stream, group)
  -- The stream or the group may not exist (yet).
  if consumers.err and not string.find(consumers.err, 'no such key', 1, true) and not string.find(consumers.err, 'NOGROUP', 1, true) then
    refuse(consumers.err)
  end
  for _, flat in ipairs(consumers.err and {} or consumers) do
    local consumer = {}
    for at = 1, #flat, 2 do consumer[flat[at]] = flat[at + 1] end
    if consumer.pending == 0 and consumer.idle >= tonumber(ARGV[1]) then
      stage(OVER, 'XGROUP', 'DELCONSUMER', stream, group, consumer.name)
      removed[#removed + 1] = { place, consumer.name }
    end
  end
end
flush()
return removed
