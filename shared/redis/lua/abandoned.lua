-- Part of commit.lua. An abandoned run has no further effects: the run that heals it repeats its work.

local function isAbandoned(input)
  return input.runKey ~= nil and get(KEYS[input.runKey], RUN.abandoned) ~= false
end
