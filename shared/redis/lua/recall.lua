-- Reads messages, and renews the TTL of the cached ones.
-- No `#!lua` line: a server that is out of memory would refuse the script, and work continues there.
--
-- KEYS    one key a message
-- ARGV    seconds to keep them
-- Result  for each its text, nothing, or 0 where the key holds no text

local texts = {}
for place, key in ipairs(KEYS) do
  local text = redis.pcall('GETEX', key, 'EX', ARGV[1])
  if type(text) ~= 'table' then
    texts[place] = text
  elseif string.find(text.err, 'WRONGTYPE', 1, true) then
    texts[place] = 0
  else
    return text
  end
end
return texts
