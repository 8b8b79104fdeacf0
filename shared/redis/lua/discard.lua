-- Deletes unreadable messages, unless they were overwritten meanwhile.
-- No `#!lua` line: a server that is out of memory would refuse the script, and work continues there.
--
-- KEYS    one key a message
-- ARGV    for each key its unreadable text, or '' for a key that holds no text
-- Result  how many were deleted

--@ staged.lua

local count = 0
for place, key in ipairs(KEYS) do
  local kind = redis.call('TYPE', key).ok
  local isAsRead = kind == 'string' and redis.call('GET', key) == ARGV[place]
  if isAsRead or (kind ~= 'none' and kind ~= 'string') then
    stage(OVER, 'DEL', key)
    count = count + 1
  end
end
flush()
return count
