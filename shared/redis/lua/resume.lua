#!lua
-- Puts the parked work of a mailbox back, at most a thousand envelopes a call; the last call frees the mailbox.
--
-- KEYS    the parked list, the mailbox, then every stream its members may name
-- ARGV    most to put back
-- Result  {put back, still parked}
-- Members are the stream's key, a line feed, and the envelope.

local moved = 0
for _, member in ipairs(redis.call('LPOP', KEYS[1], ARGV[1]) or {}) do
  local cut = string.find(member, '\n', 1, true)
  redis.call('XADD', string.sub(member, 1, cut - 1), '*', 'envelope', string.sub(member, cut + 1))
  moved = moved + 1
end
local left = redis.call('LLEN', KEYS[1])
if left == 0 then redis.call('HDEL', KEYS[2], 'status', 'statusReason', 'statusAt') end
return { moved, left }
