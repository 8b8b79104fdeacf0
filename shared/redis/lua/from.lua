-- Part of begin.lua and heal.lua. The start of a run: the cursor, when it had moved, and whether the mailbox was synced by then. It is
-- stored with the run and with the mailbox, so that either copy may be lost.

local starts = { [MAILBOX.cursor] = RUN.from, [MAILBOX.cursorAt] = RUN.fromAt, [MAILBOX.synced] = RUN.fromSynced }

-- Records that a run begins at the mailbox's current cursor.
local function beginHere(mailbox, run)
  for field, from in pairs(starts) do
    local value = get(mailbox, field) or ''
    put(GROUND, mailbox, from, value)
    put(GROUND, run, from, value)
  end
end

-- Resets a mailbox to the start of a run, as the run or the mailbox recorded it. Without a record nothing changes.
local function goBackTo(source, mailbox)
  if not get(source, RUN.from) then return end
  for field, from in pairs(starts) do
    local value = get(source, from) or ''
    if value == '' then drop(mailbox, field, LEAVING) else put(GUARDS, mailbox, field, value) end
  end
end
