-- Part of spending-reserve.lua. Reads a whole book, and removes what no longer counts.

-- A call of that age has no sender any more. Its worst case joins the day, so that killed processes do not fill the book.
local lostMs, mostLost = 7200000, 200
-- The owner of a ticket returns so late at most; until then others wait for it. Its rank is kept for longer.
local lateMs, rankMs = 2000, 300000

local today = math.floor(now / dayMs)
local book = { calls = {}, minutes = {}, tickets = {} }
local lost, stale = {}, {}

local read = {}
read[BOOK.call] = function(name, of, value)
  local call = value ~= '' and callOf(name, value)
  if not call or call.isExpired then return true end
  if call.state == CALL_STATE.sent and call.since + lostMs <= now and #lost < mostLost then
    lost[#lost + 1] = { name = name, call = call }
  else
    book.calls[of] = call
  end
end
read[BOOK.spent] = function(name, day, value)
  amount(name, value)
  return amount(name, day) < today - 1
end
read[BOOK.minute] = function(name, ms, value)
  local ends = amount(name, ms)
  if ends <= now then return true end
  local requests, tokens = minuteOf(name, value)
  book.minutes[#book.minutes + 1] = { ends = ends, requests = requests, tokens = tokens }
end
read[BOOK.ticket] = function(name, of, value)
  local rank, ends, microUsd, tokens = string.match(value, '^(%d+) (%d+) (%d+) (%d+)$')
  local ticket = { rank = amount(name, rank), ends = amount(name, ends) }
  ticket.money, ticket.tokens = amount(name, microUsd), amount(name, tokens)
  if ticket.ends + rankMs <= now then return true end
  book.tickets[of] = ticket
end

for name, value in pairs(getAll(key)) do
  local kind, rest = string.match(name, '^(%a+:)(.+)$')
  if read[kind] and read[kind](name, rest, value) then stale[#stale + 1] = name end
end
for _, name in ipairs(stale) do drop(key, name) end
for _, one in ipairs(lost) do
  spend(one.call.day, one.call.microUsd)
  retire(one.name)
end
