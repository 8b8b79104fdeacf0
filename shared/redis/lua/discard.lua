-- Deletes messages that cannot be read, unless something else was written in their place meanwhile.
-- No `#!lua` line: a server that is out of memory would refuse the script, and work goes on there.
--
-- KEYS    a key for each message
-- ARGV    for each the text that cannot be read, or '' for a key that holds no text
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
