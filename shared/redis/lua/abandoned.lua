-- Part of commit.lua. Of a run that was abandoned nothing follows any more: the run that heals it does its work again.

local function isAbandoned(input)
  local place = input[4]
  return place ~= 0 and get(KEYS[place], 'abandoned') ~= false
end
