-- Keeps messages for another while, where they are held.
-- No `#!lua` line: a server that is out of memory would refuse the script, and work goes on there.
--
-- KEYS    a key for each message
-- ARGV    seconds to keep them
-- Result  for each 1 if it is held, or 0

local held = {}
for place, key in ipairs(KEYS) do held[place] = redis.call('EXPIRE', key, ARGV[1]) end
return held
