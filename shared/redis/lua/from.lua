-- Part of begin.lua and heal.lua. Where a run began: the cursor, when that had moved, and whether the mailbox was synced by then. It is kept
-- with the run and with the mailbox, so that the loss of one is no loss.

local FROM = { cursor = 'from', cursorAt = 'fromAt', synced = 'fromSynced' }

-- Notes that a run begins where the mailbox is now.
local function beginHere(mailbox, run)
  for field, from in pairs(FROM) do
    local value = get(mailbox, field) or ''
    put(GROUND, mailbox, from, value)
    put(GROUND, run, from, value)
  end
end

-- Sets a mailbox back to where a run began, as the run or the mailbox remembers it. What does not remember changes nothing.
local function goBackTo(source, mailbox)
  if not get(source, FROM.cursor) then return end
  for field, from in pairs(FROM) do
    local value = get(source, from) or ''
    if value == '' then drop(mailbox, field, LEAVING) else put(GUARDS, mailbox, field, value) end
  end
end
