--@ spending-book.lua

local call = ownCall()
if not call or call.isExpired then return 0 end
if call.state == CALL_STATE.sent then return 1 end
call.state, call.since = CALL_STATE.sent, now
keepCall(call)
keep()
return 1
