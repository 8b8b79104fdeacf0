#!lua
-- Gives up a notification that cannot be read: puts it among the gateway's dead letters, and acknowledges it where it came by the intake.
--
-- KEYS    intake, its dead letters
-- ARGV    group, entry id or '' where it did not come by the intake, its fields as a flat list in JSON, kind, message, now (ms)
-- Result  1, or 0 when another has dealt with the entry

local intake, dead = unpack(KEYS)
local group, id, fields, kind, message, now = unpack(ARGV)
local actual = redis.call('TYPE', dead).ok
if actual ~= 'none' and actual ~= 'stream' then
  return redis.error_reply('WRONGTYPE ' .. dead .. ' holds a ' .. actual .. ' and should hold a stream')
end
if id ~= '' and redis.call('XACK', intake, group, id) == 0 then return 0 end
redis.call('XADD', dead, '*', 'envelope', fields, 'stage', 'gateway', 'stream', 'intake', 'kind', kind, 'message', message, 'at', now)
return 1
