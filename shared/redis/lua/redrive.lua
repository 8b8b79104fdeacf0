#!lua
-- Takes a dead letter out and, with an envelope, puts that into a stream. Of two who try at once, one does it.
--
-- KEYS    dead letters, stream, run, window, the partition's index of runs
-- ARGV    id of the dead letter, envelope or '', run id, mailbox, now (ms), and for an id whose fate it was: its place as a window's
--         items in JSON, or ''
-- Result  1, or 0 when the dead letter was not there any more

local dead, stream, run, window, index = unpack(KEYS)
local id, envelope, runId, mailbox, now, items = unpack(ARGV)
if redis.call('XDEL', dead, id) == 0 then return 0 end
if envelope == '' then return 1 end
if items ~= '' then
  local of = #cjson.decode(items)
  if redis.call('HSETNX', run, 'startedAt', now) == 1 then
    -- The run is forgotten: one of the same name is there for this id alone.
    redis.call('HSET', run, 'mailbox', mailbox, 'cause', 'redrive', 'releasedAt', now, 'listing', 'done', 'mergedAt', now, 'listed', of)
    redis.call('ZADD', index, now, runId)
  else
    redis.call('HINCRBY', run, 'dead', -of)
  end
  redis.call('PERSIST', run)
  redis.call('HINCRBY', run, 'opened', 1)
  redis.call('DEL', window)
  redis.call('HSET', window, 'of', of, 'context', '0', 'items', items)
end
redis.call('HDEL', run, 'endedAt')
redis.call('XADD', stream, '*', 'envelope', envelope)
return 1
