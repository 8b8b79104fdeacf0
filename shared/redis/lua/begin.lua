#!lua
-- Makes a run the active one of its mailbox, unless another is. Asked again for the same run it answers the same.
--
-- KEYS    mailbox, run, the partition's index of runs, the run that is active as far as the caller knows (or the run once more)
-- ARGV    run id, now (ms), cause, runs to keep in the index, mailbox id, id of the run that is active as far as the caller knows or '',
--         seconds to remember that a run never came about, the newest history id that was announced or '', how many names of messages
--         to keep at most, then the names of messages that the run was to look for
-- Result  {'unknown'} | {'coalesced'} | {'changed'} | {'begun', cursor or '', '1' if synced else '0', when the cursor moved or '',
--         when the run began, the newest history id that was announced to it or to those that coalesced before it, or ''}

local mailbox, run, index, other = unpack(KEYS)
local id, now, cause, keepRuns, name, believed, keepSeconds, announced, most = unpack(ARGV)

-- By their digits: a double cannot hold every history id.
local function newest(a, b)
  if not b or #a > #b or (#a == #b and a > b) then return a end
  return b
end

-- What a run that never comes about was to look for is left to the next: what is named right now may not be listed yet. `settle.lua` reads it.
local function leaveNames()
  local names, seen = {}, {}
  for place = #ARGV, 10, -1 do names[#names + 1] = ARGV[place] end
  local before = cjson.decode(redis.call('HGET', mailbox, 'created') or '[]')
  for place = #before, 1, -1 do names[#names + 1] = before[place] end
  local kept = {}
  for _, one in ipairs(names) do
    if not seen[one] and #kept < tonumber(most) then table.insert(kept, 1, one) end
    seen[one] = true
  end
  if #kept > 0 then redis.call('HSET', mailbox, 'created', cjson.encode(kept)) end
end

if redis.call('HEXISTS', mailbox, 'connectedAt') == 0 then return { 'unknown' } end
if redis.call('HEXISTS', run, 'coalesced') == 1 or redis.call('HEXISTS', run, 'endedAt') == 1 then return { 'coalesced' } end
local active = redis.call('HGET', mailbox, 'activeRun') or ''
if active ~= '' and active ~= id then
  if active ~= believed then return { 'changed' } end
  -- A run that is forgotten or over can hold nobody up.
  if redis.call('HEXISTS', other, 'startedAt') == 1 and redis.call('HEXISTS', other, 'endedAt') == 0 then
    redis.call('HSET', mailbox, 'dirty', '1')
    if announced ~= '' then
      redis.call('HSET', mailbox, 'announced', newest(announced, redis.call('HGET', mailbox, 'announced')))
    end
    leaveNames()
    redis.call('HSET', run, 'coalesced', '1', 'mailbox', name)
    redis.call('EXPIRE', run, keepSeconds)
    return { 'coalesced' }
  end
end
redis.call('HSET', mailbox, 'activeRun', id)
if redis.call('HSETNX', run, 'startedAt', now) == 1 then
  redis.call('HSET', run, 'mailbox', name, 'cause', cause, 'releasedAt', now)
  redis.call('ZADD', index, now, id)
  redis.call('ZREMRANGEBYRANK', index, 0, -1 - tonumber(keepRuns) - 1)
end
-- It stays with the run: an id that is never reached holds up no other.
announced = newest(announced, redis.call('HGET', run, 'announced'))
announced = newest(announced, redis.call('HGET', mailbox, 'announced'))
if announced ~= '' then redis.call('HSET', run, 'announced', announced) end
redis.call('HDEL', mailbox, 'announced')
return {
  'begun',
  redis.call('HGET', mailbox, 'cursor') or '',
  redis.call('HGET', mailbox, 'synced') or '0',
  redis.call('HGET', mailbox, 'cursorAt') or '',
  redis.call('HGET', run, 'startedAt'),
  announced,
}
