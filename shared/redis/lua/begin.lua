#!lua
-- Makes a run the active one of its mailbox, unless another is.
--
-- KEYS    mailbox, run, the partition's index of runs
-- ARGV    run id, now (ms), cause, seconds to keep the run, runs to keep in the index, mailbox id
-- Result  {'unknown'} | {'coalesced'} | {'begun', cursor or '', '1' if synced else '0'}

local mailbox, run, index = KEYS[1], KEYS[2], KEYS[3]
local id, now, cause, keepSeconds, keepRuns, name = unpack(ARGV)
if redis.call('EXISTS', mailbox) == 0 then return { 'unknown' } end
local active = redis.call('HGET', mailbox, 'activeRun')
if active and active ~= id then
  redis.call('HSET', mailbox, 'dirty', '1')
  return { 'coalesced' }
end
if redis.call('HEXISTS', run, 'endedAt') == 1 then return { 'coalesced' } end
redis.call('HSET', mailbox, 'activeRun', id)
if redis.call('HSETNX', run, 'startedAt', now) == 1 then
  redis.call('HSET', run, 'mailbox', name, 'cause', cause, 'releasedAt', now)
  redis.call('EXPIRE', run, keepSeconds)
  redis.call('ZADD', index, now, id)
  redis.call('ZREMRANGEBYRANK', index, 0, -1 - tonumber(keepRuns) - 1)
end
return { 'begun', redis.call('HGET', mailbox, 'cursor') or '', redis.call('HGET', mailbox, 'synced') or '0' }
