#!lua
-- Heals a stalled run without any waiting work: abandons it, and starts a run that does the rest.
--
-- KEYS    mailbox, the old run, its threads, their new ids, its unsent threads, its suspects, the first four again for the new run, the
--         partition's index of runs, the partition's mailbox events, the mailbox's watch events, a window of the new run, the mailbox's
--         missing ids, the mailbox's deferred items, then the places where work may wait
-- ARGV    plan: {mailbox, old, new, revision: of the old run, envelope: of the watch event that begins the new run,
--         text: contained in every entry of the old run, places: [[kind, group]], head: the prefix of the partition's keys,
--         ids: {window: its name, of, items: in its format, entry: of missing ids} that no page lists again, or nothing}
-- Result  'unknown', where the mailbox is not connected | 'moved' | 'waits' | 'busy', where another run is active |
--         {how many threads the new run took over, '1' if it lists the old run's mail again}
-- The new run begins at the old run's cursor, unless the old run had finished. It owes every thread that the old one owed.

--@ clock.lua
--@ staged.lua
--@ revision.lua
--@ waiting.lua
--@ from.lua

local mailbox, old, oldThreads, oldFresh, oldUnsent, oldSuspects = unpack(KEYS, 1, 6)
local new, newThreads, newFresh, newUnsent = unpack(KEYS, 7, 10)
local index, events, stream, window, missing, deferred = unpack(KEYS, 11, 16)
local plan = cjson.decode(ARGV[1])

local function isBusy()
  local active = get(mailbox, MAILBOX.activeRun) or ''
  if active == '' or active == plan.old then return false end
  local startedAt, endedAt = unpack(redis.call('HMGET', plan.head .. 'run:' .. active, RUN.startedAt, RUN.endedAt))
  return startedAt and not endedAt
end

local function oweAll()
  local owed, count = {}, 0
  for _, thread in ipairs(redis.call('ZRANGE', oldThreads, 0, -1)) do owed[thread] = true end
  for _, thread in ipairs(redis.call('HKEYS', oldUnsent)) do owed[thread] = true end
  for thread in pairs(owed) do
    count = count + 1
    stage(GROUND, 'ZADD', newThreads, now, thread)
    put(GROUND, newUnsent, thread, '')
    local fresh = get(oldFresh, thread)
    if fresh then put(GROUND, newFresh, thread, fresh) end
  end
  return count
end

prefetch(mailbox, {
  MAILBOX.connectedAt, MAILBOX.activeRun, MAILBOX.cursor, MAILBOX.cursorAt, MAILBOX.synced, MAILBOX.from, MAILBOX.fromAt, MAILBOX.fromSynced,
})
if not get(mailbox, MAILBOX.connectedAt) then return 'unknown' end
if isBusy() then return 'busy' end
if revisionOf(old, oldThreads, oldUnsent) ~= plan.revision then return 'moved' end
if isWaiting(plan.places, plan.text) then return 'waits' end

-- A run that finished once has handed over all its listed mail.
local isDone = get(old, RUN.status) == RUN_STATUS.done
local remembers = get(old, RUN.from) and old or get(mailbox, MAILBOX.activeRun) == plan.old and mailbox
local count = oweAll()
if not isDone and remembers then goBackTo(remembers, mailbox) end
beginHere(mailbox, new)
local fields = {
  [RUN.mailbox] = plan.mailbox, [RUN.cause] = 'heal', [RUN.heals] = plan.old, [RUN.releasedAt] = now, [RUN.startedAt] = now,
}
if get(old, RUN.announced) then fields[RUN.announced] = get(old, RUN.announced) end
if plan.ids then
  fields[RUN.opened], fields[RUN.listed], fields[RUN.window .. plan.ids.window] = 1, plan.ids.of, '{"opened":1}'
  for field, value in pairs({ [WINDOW.of] = plan.ids.of, [WINDOW.context] = '0', [WINDOW.items] = plan.ids.items }) do put(GROUND, window, field, value) end
  stage(CONTENT, 'XADD', missing, '*', ENTRY.envelope, plan.ids.entry)
end
for field, value in pairs(fields) do put(GROUND, new, field, value) end
stage(GROUND, 'ZADD', index, now, plan.new)
stage(CONTENT, 'XADD', stream, '*', ENTRY.envelope, plan.envelope)
stage(CONTENT, 'XADD', events, 'MAXLEN', '~', LIMIT.mailboxEvents, '*', EVENT.event, 'healed', EVENT.mailbox, plan.mailbox, EVENT.at, now,
  EVENT.run, plan.old, EVENT.by, plan.new, EVENT.threads, count)
-- A run that ended properly may still have a message that waits alone, and that continues.
if not isDone or not get(old, RUN.endedAt) or number(old, RUN.opened) > number(old, RUN.merged) or number(old, RUN.deferred) > 0 then
  put(MARKS, old, RUN.abandoned, plan.new)
  put(MARKS, old, RUN.status, RUN_STATUS.abandoned)
end
if not get(old, RUN.endedAt) then put(MARKS, old, RUN.endedAt, now) end
put(MARKS, old, RUN.healedBy, plan.new)
put(MARKS, old, RUN.mailbox, plan.mailbox)
-- The mailbox switches to the new run last: an earlier failure is healed again from where this run began.
put(GUARDS, mailbox, MAILBOX.activeRun, plan.new)
for _, field in ipairs(redis.call('HKEYS', deferred)) do
  if string.sub(field, 1, #plan.old + 1) == plan.old .. '/' then drop(deferred, field) end
end
stage(AFTER, 'EXPIRE', old, LIFETIME.run)
stage(AFTER, 'DEL', oldThreads, oldFresh, oldUnsent, oldSuspects)
flush()
return { count, isDone and '0' or '1' }
