#!lua
-- Asks a person to approve what a mailbox's bulk work costs, or records the approval. Neither survives the mailbox.
--
-- KEYS    mailbox, approval
-- ARGV    now (ms), the expected cost (millionths of a dollar) that needs approval, or '' where it is given
-- Result  1, or 0 where the mailbox is not connected

--@ staged.lua

local mailbox, approval = unpack(KEYS)
local at, expected = unpack(ARGV)
if not get(mailbox, MAILBOX.connectedAt) then return 0 end
if expected == '' then
  put(GUARDS, approval, APPROVAL.approvedAt, at)
else
  put(GUARDS, approval, APPROVAL.expected, expected)
  put(GUARDS, approval, APPROVAL.askedAt, at)
end
stage(OVER, 'EXPIRE', approval, LIFETIME.approval)
flush()
return 1
