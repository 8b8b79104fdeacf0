#!lua
-- Puts down what was found of a run that ended, once.
--
-- KEYS    run, the partition's runs that ended and were not looked at, its stream of mailbox events
-- ARGV    run id, what was found as JSON, then for each event to write its fields and values as a JSON list
-- Result  1, or 0 when it was put down before or the run is forgotten

local run, ended, events = unpack(KEYS)
local id, found = unpack(ARGV)
local isNew = redis.call('HEXISTS', run, 'startedAt') == 1 and redis.call('HEXISTS', run, 'alerts') == 0
if isNew then
  for place = 3, #ARGV do redis.call('XADD', events, 'MAXLEN', '~', 1000, '*', unpack(cjson.decode(ARGV[place]))) end
  redis.call('HSET', run, 'alerts', found)
end
redis.call('ZREM', ended, id)
return isNew and 1 or 0
