#!lua
-- Puts the parked work of a mailbox back, some envelopes a call; the last call frees the mailbox. What is paused stays parked.
--
-- KEYS    the parked list, the mailbox, the partition's mailbox events, then every stream the list's members may name
-- ARGV    most to put back, mailbox id, now (ms), 1 if its pause ends too
-- Result  {put back, still parked}
-- Members are the stream's key, a line feed, and the envelope.

local parked, mailbox, events = KEYS[1], KEYS[2], KEYS[3]
local most, name, now, unpause = unpack(ARGV)
local freed = 0
-- First, so that nothing is parked behind what is put back.
if unpause == '1' then freed = redis.call('HDEL', mailbox, 'pausedAt', 'heldEvent') end
local moved = 0
local paused = redis.call('HEXISTS', mailbox, 'pausedAt') == 1
for _, member in ipairs(not paused and redis.call('LPOP', parked, most) or {}) do
  local cut = string.find(member, '\n', 1, true)
  redis.call('XADD', string.sub(member, 1, cut - 1), '*', 'envelope', string.sub(member, cut + 1))
  moved = moved + 1
end
local left = paused and 0 or redis.call('LLEN', parked)
if left == 0 then freed = freed + redis.call('HDEL', mailbox, 'status', 'statusReason', 'statusAt', 'parkedAt', 'probedAt') end
if freed > 0 then
  redis.call('XADD', events, 'MAXLEN', '~', 1000, '*', 'event', 'resumed', 'mailbox', name, 'at', now)
end
return { moved, left }
