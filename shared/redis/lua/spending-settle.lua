--@ spending-book.lua

local call = ownCall()
if not call then return 0 end
retire(BOOK.call .. id)
spend(call.day, tonumber(ARGV[5]) or call.microUsd)
local ends, requests = math.ceil(endOf(call) / sliceMs) * sliceMs, tonumber(ARGV[7])
if requests > 0 and ends > now and (limits.requests or limits.tokens) then
  local name, tokens = BOOK.minute .. whole(ends), tonumber(ARGV[6]) or call.tokens
  local known = get(key, name)
  if known then
    local others, theirs = minuteOf(name, known)
    requests, tokens = requests + others, tokens + theirs
  end
  put(GUARDS, key, name, whole(requests) .. ' ' .. whole(tokens))
end
keep()
return 1
