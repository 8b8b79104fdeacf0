#!lua
-- Writes a watch event to its mailbox's stream. A connected mailbox keeps a mark of pending work until a run begins.
--
-- KEYS    mailbox, the mailbox's watch events
-- ARGV    envelope, the run it asks for
-- Result  nothing

--@ staged.lua

local mailbox, stream = unpack(KEYS)
if get(mailbox, MAILBOX.connectedAt) then put(GROUND, mailbox, MAILBOX.asked, ARGV[2]) end
stage(CONTENT, 'XADD', stream, '*', ENTRY.envelope, ARGV[1])
flush()
