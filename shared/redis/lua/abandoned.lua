-- Part of commit.lua. An abandoned run has no further effects: the run that heals it repeats its work.

local function isAbandoned(input)
  local place = input[4]
  return place ~= 0 and get(KEYS[place], RUN.abandoned) ~= false
end
