#!lua
-- Removes a dead letter and, with an envelope, writes that to a stream. Of two concurrent callers only one succeeds.
--
-- KEYS    dead letters, stream, run, window, the partition's index of runs, the state of the run's threads
-- ARGV    id of the dead letter, envelope or '', run id, mailbox, the window's name, and for a dead-lettered message id: its place as a
--         window's items in JSON, or ''
-- Result  1, or 0 when the dead letter was already gone

--@ clock.lua
--@ staged.lua

local dead, stream, run, window, index, fresh = unpack(KEYS)
local id, envelope, runId, mailbox, name, items = unpack(ARGV)

-- The run counts the new window once, however often this is repeated; see `windows.lua`.
local function openWindow()
  local field, of = RUN.window .. name, #decoded(items, 'ARGV')
  prefetch(run, { RUN.startedAt, RUN.opened, RUN.dead, field })
  local account = get(run, field) and decoded(get(run, field), run) or {}
  if account.opened then return end
  account.opened = 1
  put(GUARDS, run, field, cjson.encode(account))
  if get(run, RUN.startedAt) then
    put(GUARDS, run, RUN.dead, number(run, RUN.dead) - of)
  else
    -- The run is forgotten; a run of the same name is created for this id alone.
    stage(GROUND, 'DEL', fresh)
    local fields = {
      [RUN.startedAt] = now, [RUN.mailbox] = mailbox, [RUN.cause] = 'redrive', [RUN.releasedAt] = now, [RUN.listing] = LISTING.done, [RUN.mergedAt] = now,
      [RUN.listed] = of,
    }
    for each, value in pairs(fields) do put(GUARDS, run, each, value) end
    stage(WAITING, 'ZADD', index, now, runId)
  end
  put(GUARDS, run, RUN.opened, number(run, RUN.opened) + 1)
  stage(GROUND, 'PERSIST', run)
  put(GROUND, window, WINDOW.of, of)
  put(GROUND, window, WINDOW.context, '0')
  put(GROUND, window, WINDOW.items, items)
end

if #redis.call('XRANGE', dead, id, id) == 0 then return 0 end
if envelope ~= '' then
  if items ~= '' then openWindow() end
  drop(run, RUN.endedAt)
  stage(CONTENT, 'XADD', stream, '*', ENTRY.envelope, envelope)
end
stage(ACKNOWLEDGED, 'XDEL', dead, id)
flush()
return 1
