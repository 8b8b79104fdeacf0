#!lua
-- Makes a run the active one of its mailbox, unless another is active. Repeating it for the same run gives the same answer.
--
-- KEYS    mailbox, run, the partition's index of runs, the active run as far as the caller knows (or the run again)
-- ARGV    run id, cause, runs to keep in the index, mailbox id, id of the active run as far as the caller knows or '',
--         seconds to remember that a run was coalesced, the newest announced history id or '', the most message names
--         to keep, then the names of messages that the run was to look for
-- Result  {'unknown'} | {'coalesced'} | {'changed'} | {'begun', cursor or '', '1' if synced else '0', how long ago the cursor moved (ms)
--         or '', how long ago the run began (ms), the newest history id announced to it or to those coalesced before it, or '',
--         1 if it repeats a lost run's work, for which known mail need not be listed}
-- `from` is the cursor at which the active run began; a run that heals another begins there again (`heal.lua`).

--@ clock.lua
--@ staged.lua
--@ from.lua

local mailbox, run, index, other = unpack(KEYS)
local id, cause, keepRuns, name, believed, keepSeconds, announced, most = unpack(ARGV)

-- Compares by digits: a double cannot hold every history id.
local function newest(a, b)
  if not b or #a > #b or (#a == #b and a > b) then return a end
  return b
end

-- Keeps the message names of a coalesced run for the next run, because a message named now may not be listed yet. `settle.lua` reads them.
local function keepNames()
  local names, seen = {}, {}
  for place = #ARGV, 9, -1 do names[#names + 1] = ARGV[place] end
  local before = decoded(get(mailbox, 'created') or '[]', mailbox)
  for place = #before, 1, -1 do names[#names + 1] = before[place] end
  local kept = {}
  for _, one in ipairs(names) do
    if not seen[one] and #kept < tonumber(most) then table.insert(kept, 1, one) end
    seen[one] = true
  end
  if #kept > 0 then put(GROUND, mailbox, 'created', cjson.encode(kept)) end
end

local function coalesce()
  put(GROUND, mailbox, 'dirty', '1')
  if announced ~= '' then put(GROUND, mailbox, 'announced', newest(announced, get(mailbox, 'announced'))) end
  keepNames()
  drop(mailbox, 'asked')
end

-- `lost`: the active run is forgotten, and its listed messages may be lost with it.
local function begin(active, lost)
  if lost then goBackTo(mailbox, mailbox) end
  if lost or active ~= id then beginHere(mailbox, run) end
  if lost then put(CONTENT, run, 'heals', active) end
  put(CONTENT, run, 'begins', number(run, 'begins') + 1)
  if not get(run, 'startedAt') then
    stage(GROUND, 'ZADD', index, now, id)
    stage(OVER, 'ZREMRANGEBYRANK', index, 0, -1 - tonumber(keepRuns) - 1)
    put(CONTENT, run, 'startedAt', now)
    put(CONTENT, run, 'mailbox', name)
    put(CONTENT, run, 'cause', cause)
    put(CONTENT, run, 'releasedAt', now)
  end
  -- The id stays with the run, so that an id that is never reached delays no other run.
  announced = newest(announced, get(run, 'announced'))
  announced = newest(announced, get(mailbox, 'announced'))
  if announced ~= '' then put(CONTENT, run, 'announced', announced) end
  put(GUARDS, mailbox, 'activeRun', id)
  drop(mailbox, 'announced')
  drop(mailbox, 'asked')
end

local function since(key, field)
  return get(key, field) and string.format('%.0f', now - number(key, field)) or ''
end

prefetch(mailbox, { 'connectedAt', 'activeRun', 'announced', 'asked', 'created', 'cursor', 'synced', 'cursorAt', 'from', 'fromAt', 'fromSynced' })
if not get(mailbox, 'connectedAt') then return { 'unknown' } end
prefetch(run, { 'coalesced', 'endedAt', 'abandoned', 'startedAt', 'announced', 'heals', 'begins' })
local state = 'begun'
local active = get(mailbox, 'activeRun') or ''
local lost = active == id and not get(run, 'startedAt')
if get(run, 'coalesced') or get(run, 'endedAt') or get(run, 'abandoned') then
  state = 'coalesced'
  -- The run that heals an abandoned one may have listed before this event came.
  if active ~= '' and get(run, 'abandoned') then put(GUARDS, mailbox, 'dirty', '1') end
  if get(mailbox, 'asked') == id then drop(mailbox, 'asked') end
elseif active ~= '' and active ~= id then
  if active ~= believed then return { 'changed' } end
  -- A forgotten or ended run must not block others.
  prefetch(other, { 'startedAt', 'endedAt' })
  lost = not get(other, 'startedAt')
  if not lost and not get(other, 'endedAt') then
    state = 'coalesced'
    coalesce()
    put(GUARDS, run, 'mailbox', name)
    put(GUARDS, run, 'coalesced', '1')
  end
end
if state == 'begun' then begin(active, lost) end
if state == 'coalesced' and not get(run, 'endedAt') and not get(run, 'abandoned') then stage(OVER, 'EXPIRE', run, keepSeconds) end
flush()
if state == 'coalesced' then return { state } end
return { state, get(mailbox, 'cursor') or '', get(mailbox, 'synced') or '0', since(mailbox, 'cursorAt'), since(run, 'startedAt'), announced, get(run, 'heals') and 1 or 0 }
