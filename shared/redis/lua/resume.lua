#!lua
-- Puts a mailbox's parked work back, some envelopes a call; the last call unparks the mailbox. A paused mailbox's work stays parked.
--
-- KEYS    the parked list, the mailbox, the partition's mailbox events, then every stream the list's members may name
-- ARGV    the most to put back, mailbox id, now (ms), 1 to end its pause too
-- Result  {put back, still parked}
-- Members are the stream's key, a line feed, and the envelope.

--@ staged.lua

local parked, mailbox, events = KEYS[1], KEYS[2], KEYS[3]
local most, name, at, unpause = unpack(ARGV)
prefetch(mailbox, { MAILBOX.pausedAt, MAILBOX.parkedEvent, MAILBOX.status, MAILBOX.statusReason, MAILBOX.parkedAt, MAILBOX.probedAt })
local isFreed = false

local function free(...)
  for _, field in ipairs({ ... }) do
    isFreed = isFreed or get(mailbox, field) ~= false
    drop(mailbox, field)
  end
end

if unpause == '1' then free(MAILBOX.pausedAt, MAILBOX.parkedEvent) end
local isPaused = get(mailbox, MAILBOX.pausedAt)
local members = isPaused and {} or redis.call('LRANGE', parked, 0, most - 1)
for _, member in ipairs(members) do
  local cut = string.find(member, '\n', 1, true) or refuse('WRONGVALUE ' .. parked .. ' holds what names no stream')
  stage(CONTENT, 'XADD', string.sub(member, 1, cut - 1), '*', ENTRY.envelope, string.sub(member, cut + 1))
end
local left = isPaused and 0 or redis.call('LLEN', parked) - #members
if #members > 0 then stage(MARKS, 'LTRIM', parked, #members, -1) end
if left == 0 then free(MAILBOX.status, MAILBOX.statusReason, MAILBOX.parkedAt, MAILBOX.probedAt) end
if isFreed then stage(CONTENT, 'XADD', events, 'MAXLEN', '~', LIMIT.mailboxEvents, '*', EVENT.event, 'resumed', EVENT.mailbox, name, EVENT.at, at) end
flush()
return { #members, left }
