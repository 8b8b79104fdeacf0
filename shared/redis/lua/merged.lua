-- Part of commit.lua. Whether an entry of `merged` matches its window. Only then its ids become known, whoever wrote the entry.

-- `said.items` are {id, thread, fate}, in the window's order.
local function isMerged(window, said)
  local items, places = said.items, { WINDOW.of, WINDOW.done, WINDOW.context, WINDOW.items }
  for place in ipairs(items) do places[#places + 1] = words(place - 1) end
  prefetch(window, places)
  local listed = get(window, WINDOW.items)
  if not listed or number(window, WINDOW.of) ~= #items or number(window, WINDOW.done) < #items then return false end
  if (get(window, WINDOW.context) == '1') ~= said.context then return false end
  for place, item in ipairs(decoded(listed, window)) do
    local id, thread, fate = unpack(items[place])
    if item[1] ~= id or item[2] ~= thread or get(window, words(place - 1)) ~= fate then return false end
  end
  return true
end

local function refuseWindow(run, name)
  events[#events + 1] = cjson.encode({ event = 'window-refused', run = run.id, mailbox = run.head.mailbox, window = name })
end
