-- Reads messages, and keeps those that are held for another while.
-- No `#!lua` line: a server that is out of memory would refuse the script, and work goes on there.
--
-- KEYS    a key for each message
-- ARGV    seconds to keep them
-- Result  for each its text, or nothing

local texts = {}
for place, key in ipairs(KEYS) do texts[place] = redis.call('GETEX', key, 'EX', ARGV[1]) end
return texts
