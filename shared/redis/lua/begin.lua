#!lua
-- Makes a run the active one of its mailbox, unless another is active. Repeating it for the same run gives the same answer.
--
-- KEYS    mailbox, run, the partition's index of runs, the active run as far as the caller knows (or the run again)
-- ARGV    run id, cause, mailbox id, id of the active run as far as the caller knows or '', the newest announced history id or '', then the
--         names of messages that the run was to look for
-- Result  {'unknown'} | {'coalesced'} | {'changed'} | {'begun', cursor or '', '1' if synced else '0', how long ago the cursor moved (ms)
--         or '', how long ago the run began (ms), the newest history id announced to it or to those coalesced before it, or '',
--         1 if it repeats a lost run's work, for which known mail need not be listed}
-- `from` is the cursor at which the active run began; a run that heals another begins there again (`heal.lua`).

--@ clock.lua
--@ staged.lua
--@ from.lua

local mailbox, run, index, other = unpack(KEYS)
local id, cause, name, believed, announced = unpack(ARGV)

-- Compares by digits: a double cannot hold every history id.
local function newest(a, b)
  if not b or #a > #b or (#a == #b and a > b) then return a end
  return b
end

-- Keeps the message names of a coalesced run for the next run, because a message named now may not be listed yet. `settle.lua` reads them.
local function keepNames()
  local names, seen = {}, {}
  for place = #ARGV, 6, -1 do names[#names + 1] = ARGV[place] end
  local before = decoded(get(mailbox, MAILBOX.created) or '[]', mailbox)
  for place = #before, 1, -1 do names[#names + 1] = before[place] end
  local kept = {}
  for _, one in ipairs(names) do
    if not seen[one] and #kept < LIMIT.created then table.insert(kept, 1, one) end
    seen[one] = true
  end
  if #kept > 0 then put(GROUND, mailbox, MAILBOX.created, cjson.encode(kept)) end
end

local function coalesce()
  put(GROUND, mailbox, MAILBOX.dirty, '1')
  if announced ~= '' then put(GROUND, mailbox, MAILBOX.announced, newest(announced, get(mailbox, MAILBOX.announced))) end
  keepNames()
  drop(mailbox, MAILBOX.asked)
end

-- `lost`: the active run is forgotten, and its listed messages may be lost with it.
local function begin(active, lost)
  if lost then goBackTo(mailbox, mailbox) end
  if lost or active ~= id then beginHere(mailbox, run) end
  if lost then put(CONTENT, run, RUN.heals, active) end
  put(CONTENT, run, RUN.begins, number(run, RUN.begins) + 1)
  if not get(run, RUN.startedAt) then
    stage(GROUND, 'ZADD', index, now, id)
    stage(OVER, 'ZREMRANGEBYRANK', index, 0, -1 - LIMIT.runs - 1)
    put(CONTENT, run, RUN.startedAt, now)
    put(CONTENT, run, RUN.mailbox, name)
    put(CONTENT, run, RUN.cause, cause)
    put(CONTENT, run, RUN.releasedAt, now)
  end
  -- The id stays with the run, so that an id that is never reached delays no other run.
  announced = newest(announced, get(run, RUN.announced))
  announced = newest(announced, get(mailbox, MAILBOX.announced))
  if announced ~= '' then put(CONTENT, run, RUN.announced, announced) end
  put(GUARDS, mailbox, MAILBOX.activeRun, id)
  drop(mailbox, MAILBOX.announced)
  drop(mailbox, MAILBOX.asked)
end

local function since(key, field)
  return get(key, field) and string.format('%.0f', now - number(key, field)) or ''
end

prefetch(mailbox, {
  MAILBOX.connectedAt, MAILBOX.activeRun, MAILBOX.announced, MAILBOX.asked, MAILBOX.created, MAILBOX.cursor, MAILBOX.synced, MAILBOX.cursorAt,
  MAILBOX.from, MAILBOX.fromAt, MAILBOX.fromSynced,
})
if not get(mailbox, MAILBOX.connectedAt) then return { 'unknown' } end
prefetch(run, { RUN.coalesced, RUN.endedAt, RUN.abandoned, RUN.startedAt, RUN.announced, RUN.heals, RUN.begins })
local state = 'begun'
local active = get(mailbox, MAILBOX.activeRun) or ''
local lost = active == id and not get(run, RUN.startedAt)
if get(run, RUN.coalesced) or get(run, RUN.endedAt) or get(run, RUN.abandoned) then
  state = 'coalesced'
  -- The run that heals an abandoned one may have listed before this event came.
  if active ~= '' and get(run, RUN.abandoned) then put(GUARDS, mailbox, MAILBOX.dirty, '1') end
  if get(mailbox, MAILBOX.asked) == id then drop(mailbox, MAILBOX.asked) end
elseif active ~= '' and active ~= id then
  if active ~= believed then return { 'changed' } end
  -- A forgotten or ended run must not block others.
  prefetch(other, { RUN.startedAt, RUN.endedAt })
  lost = not get(other, RUN.startedAt)
  if not lost and not get(other, RUN.endedAt) then
    state = 'coalesced'
    coalesce()
    put(GUARDS, run, RUN.mailbox, name)
    put(GUARDS, run, RUN.coalesced, '1')
  end
end
if state == 'begun' then begin(active, lost) end
if state == 'coalesced' and not get(run, RUN.endedAt) and not get(run, RUN.abandoned) then stage(OVER, 'EXPIRE', run, LIFETIME.coalescedRun) end
flush()
if state == 'coalesced' then return { state } end
return {
  state, get(mailbox, MAILBOX.cursor) or '', get(mailbox, MAILBOX.synced) or '0', since(mailbox, MAILBOX.cursorAt), since(run, RUN.startedAt),
  announced, get(run, RUN.heals) and 1 or 0,
}
