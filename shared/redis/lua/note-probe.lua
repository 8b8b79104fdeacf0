#!lua
-- Notes that a mailbox that waits for its account was asked for, and in vain.
--
-- KEYS    mailbox
-- ARGV    now (ms), why it still waits, or nothing where that is not known
-- Result  1, or 0 where the mailbox does not wait any more

--@ staged.lua

local mailbox = KEYS[1]
local at, reason = unpack(ARGV)
if get(mailbox, 'status') ~= 'needs-reauth' then return 0 end
put(GUARDS, mailbox, 'probedAt', at)
if reason ~= '' then put(GUARDS, mailbox, 'statusReason', reason) end
flush()
return 1
