#!lua
-- Dead-letters an unreadable notification of the gateway, and acknowledges its intake entry, if any.
--
-- KEYS    intake, its dead letters
-- ARGV    group, entry id or '' without an intake entry, its fields as a flat list in JSON, kind, message
-- Result  1, or 0 when another process has handled the entry

--@ clock.lua
--@ staged.lua

local intake, dead = unpack(KEYS)
local group, id, fields, kind, message = unpack(ARGV)
if id ~= '' then
  if #redis.call('XPENDING', intake, group, id, id, 1) == 0 then return 0 end
  stage(ACKNOWLEDGED, 'XACK', intake, group, id)
end
stage(CONTENT, 'XADD', dead, 'MAXLEN', LIMIT.notifications, '*', ENTRY.envelope, fields, LETTER.stage, 'gateway', LETTER.stream, 'intake',
  LETTER.kind, kind, LETTER.message, message, LETTER.at, now)
flush()
return 1
