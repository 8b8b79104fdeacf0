#!lua
-- Records a failed probe of a mailbox that is parked for its account.
--
-- KEYS    mailbox
-- ARGV    now (ms), the reason, or '' where it is unknown
-- Result  1, or 0 where the mailbox is no longer parked

--@ staged.lua

local mailbox = KEYS[1]
local at, reason = unpack(ARGV)
if get(mailbox, MAILBOX.status) ~= MAILBOX_STATUS.needsReauth then return 0 end
put(GUARDS, mailbox, MAILBOX.probedAt, at)
if reason ~= '' then put(GUARDS, mailbox, MAILBOX.statusReason, reason) end
flush()
return 1
