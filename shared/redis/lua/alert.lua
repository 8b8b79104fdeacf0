#!lua
-- Stores the alerts of a run that ended, once.
--
-- KEYS    run, the partition's ended runs that were not checked, its stream of mailbox events
-- ARGV    run id, alerts as JSON, then for each event to write its fields and values as a JSON list
-- Result  1, or 0 when the alerts were stored before or the run is forgotten

--@ staged.lua

local run, ended, events = unpack(KEYS)
local id, found = unpack(ARGV)
prefetch(run, { RUN.startedAt, RUN.alerts })
local isNew = get(run, RUN.startedAt) ~= false and not get(run, RUN.alerts)
if isNew then
  for place = 3, #ARGV do stage(CONTENT, 'XADD', events, 'MAXLEN', '~', LIMIT.mailboxEvents, '*', unpack(decoded(ARGV[place], 'ARGV'))) end
  put(GUARDS, run, RUN.alerts, found)
end
stage(OVER, 'ZREM', ended, id)
flush()
return isNew and 1 or 0
