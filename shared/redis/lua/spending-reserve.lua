#!lua
-- Reserves the worst case of a model call, or returns until when it has to wait. A day's calls, settled ones at their cost and others at
-- their worst case, never exceed its limit; neither do the calls of any minute. Calls that wait come in the order of their ranks.
--
-- KEYS    a mailbox's book, or that of all
-- ARGV    now (ms; '' for the server's clock), requests a minute, tokens a minute, id, millionths of a dollar a day ('' for no limit, three
--         times), the ticket's name ('' for none), by how much its rank is later (ms), millionths of a dollar, tokens
-- Result  {'go'} | {'wait', until (ms), the limit}

--@ spending-book.lua
--@ spending-whole.lua

local ticket = ARGV[6]
local limit = { money = tonumber(ARGV[5]), requests = limits.requests, tokens = limits.tokens }
local need = { money = tonumber(ARGV[8]), requests = 1, tokens = tonumber(ARGV[9]) }
-- A worst case that no minute allows may have one of its own: it is an upper bound, and the call itself may fit.
if limit.tokens then need.tokens = math.min(need.tokens, limit.tokens) end

if book.calls[id] then return { 'go' } end

-- What counts now, and what may be handed back by calls that are not settled, the youngest of which is so old.
local used, open, youngest = { money = number(key, BOOK.spent .. whole(today)), requests = 0, tokens = 0 }, { money = 0, tokens = 0 }, {}
local ends = {}
local function opened(name, amount, age)
  if amount <= 0 then return end
  open[name] = open[name] + amount
  youngest[name] = math.min(youngest[name] or age, age)
end
for _, call in pairs(book.calls) do
  local age = now - call.since
  if call.day == today then opened(BOOK_LIMIT.money, call.microUsd, age) end
  if endOf(call) > now then
    ends[#ends + 1] = { ends = endOf(call), requests = 1, tokens = call.tokens }
    opened(BOOK_LIMIT.tokens, call.tokens, age)
  end
end
for _, one in ipairs(book.minutes) do ends[#ends + 1] = one end
for _, one in ipairs(ends) do
  used.requests, used.tokens = used.requests + one.requests, used.tokens + one.tokens
end

-- The calls that wait and come first.
local own, waiting = book.tickets[ticket], 0
local rank = own and own.rank or now + tonumber(ARGV[7])
local ahead = { money = 0, requests = 0, tokens = 0 }
for name, other in pairs(book.tickets) do
  waiting = waiting + 1
  local isFirst = other.rank < rank or (other.rank == rank and name < ticket)
  if name ~= ticket and isFirst and other.ends + lateMs > now then
    ahead.money, ahead.tokens = ahead.money + other.money, ahead.tokens + other.tokens
    ahead.requests = ahead.requests + 1
  end
end

-- Nobody knows when a call is settled: the longer it takes, the rarer it is asked, and the later in line, too.
local function soon(age)
  return now + math.min(60000, math.max(100, (age or 0) / 2)) + 25 * ahead.requests
end

-- When enough requests or tokens no longer count. Beyond a minute, the calls ahead take what comes free.
local function whenFree(name, over)
  table.sort(ends, function(a, b) return a.ends < b.ends end)
  for _, one in ipairs(ends) do
    over = over - one[name]
    if over <= 0 then return one.ends end
  end
  return now + windowMs * math.ceil(over / limit[name])
end

local waitUntil, waitFor = now, nil
local function wait(name, ends)
  if ends > waitUntil then waitUntil, waitFor = math.ceil(ends), name end
end
local midnight = (today + 1) * dayMs
local isOver = limit.money and used.money + need.money > limit.money
if isOver then
  wait(BOOK_LIMIT.money, midnight)
else
  if limit.money and used.money + open.money + ahead.money + need.money > limit.money then
    wait(BOOK_LIMIT.money, math.min(midnight, soon(youngest.money)))
  end
  for _, name in ipairs({ BOOK_LIMIT.requests, BOOK_LIMIT.tokens }) do
    local over = limit[name] and used[name] + ahead[name] + need[name] - limit[name] or 0
    if over > 0 then
      local at = whenFree(name, over)
      if youngest[name] then at = math.min(at, soon(youngest[name])) end
      -- Calls take fewer tokens than reserved, so those ahead leave room early; whoever sleeps through it wastes it.
      if name == BOOK_LIMIT.tokens and ahead.requests > 0 then
        local alone = over - ahead[name]
        at = math.min(at, (alone > 0 and whenFree(name, alone) or now) + 100 + 25 * ahead.requests)
      end
      wait(name, at)
    end
  end
end

if not waitFor then
  keepCall({ state = CALL_STATE.held, since = now, day = today, microUsd = need.money, tokens = need.tokens })
  if own then drop(key, BOOK.ticket .. ticket, GUARDS) end
  keep()
  return { 'go' }
end

-- Whoever waits for tomorrow is in nobody's way. Where the tickets are used up, the last in line loses its own.
local function worst()
  local last, lastName = rank, ticket
  for name, other in pairs(book.tickets) do
    if other.rank > last then last, lastName = other.rank, name end
  end
  return lastName
end
if isOver then
  if own then drop(key, BOOK.ticket .. ticket) end
elseif ticket ~= '' then
  local loser = not own and waiting >= LIMIT.tickets and worst()
  if loser and loser ~= ticket then drop(key, BOOK.ticket .. loser) end
  if loser ~= ticket then
    local words = { whole(rank), whole(waitUntil), whole(need.money), whole(need.tokens) }
    put(GUARDS, key, BOOK.ticket .. ticket, table.concat(words, ' '))
  end
end
put(GUARDS, key, BOOK.refused, whole(waitUntil) .. ' ' .. waitFor)
keep()
return { 'wait', waitUntil, waitFor }
