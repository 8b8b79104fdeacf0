#!lua
-- Gives up a notification that cannot be read: puts it among the gateway's dead letters, and acknowledges it where it came by the intake.
--
-- KEYS    intake, its dead letters
-- ARGV    group, entry id or '' where it did not come by the intake, its fields as a flat list in JSON, kind, message, how many letters are kept
-- Result  1, or 0 when another has dealt with the entry

--@ clock.lua
--@ staged.lua

local intake, dead = unpack(KEYS)
local group, id, fields, kind, message, most = unpack(ARGV)
if id ~= '' then
  if #redis.call('XPENDING', intake, group, id, id, 1) == 0 then return 0 end
  stage(ACKNOWLEDGED, 'XACK', intake, group, id)
end
stage(CONTENT, 'XADD', dead, 'MAXLEN', most, '*', 'envelope', fields, 'stage', 'gateway', 'stream', 'intake', 'kind', kind, 'message', message, 'at', now)
flush()
return 1
