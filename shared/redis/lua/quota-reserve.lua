#!lua
-- Reserves units of a quota before requests, or returns how long they have to wait. In any window of time, however the provider places its
-- own, at most the limit is spent: units count until a whole window has passed since their answer.
--
-- KEYS    a mailbox's book, or a project's
-- ARGV    now (ms; '' for the server's clock), window (ms), units a window, concurrent requests (0: any number), how long a reduced
--         concurrency lasts (ms), id, how long unsettled units are reserved (ms), how long their requests count as in flight (ms), units,
--         requests
-- Result  {'go'} | {'wait', ms} | {'fewer', requests that may go together}

--@ quota-book.lua

local id, leaseMs, answerMs, units, requests = ARGV[6], tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])
-- A place becomes free with an answer, whatever the provider's window.
local placeWaitMs = math.min(100, math.ceil(window / 600))
local smallest = 0.01

local function wait(ms) return { 'wait', math.max(1, math.ceil(ms)) } end

if (book.pausedUntil or 0) > now then return wait(book.pausedUntil - now) end

-- After a refusal one request tests whether the provider serves again.
local probing = (book.refusals or 0) > 0
if probing then places = 1 end
if places > 0 and requests > places then return { 'fewer', places } end

local allowed = math.floor(limit * (probing and 1 or shareNow()))
-- A share is reserved for small requests such as checks for news, so that large ones cannot delay them.
if units > limit * smallest then allowed = allowed - math.floor(limit * smallest) end
if units > allowed then
  if requests > 1 then return { 'fewer', math.max(1, math.floor(requests * allowed / units)) } end
  allowed = units
end
local underWay = 0
for _, lease in pairs(book.leases) do
  if lease.since + answerMs > now then underWay = underWay + lease.requests end
end
if places > 0 and underWay + requests > places then return wait(placeWaitMs) end

local over = book.used + units - allowed
if over > 0 then
  table.sort(book.spent, function(a, b) return a.ends < b.ends end)
  for _, one in ipairs(book.spent) do
    over = over - one.units
    if over <= 0 then return wait(one.ends - now) end
  end
  -- Requests in flight count for a window from their end.
  return wait(window)
end

put(GUARDS, key, QUOTA.lease .. id, table.concat({ whole(now + leaseMs), whole(now), whole(units), whole(requests) }, ' '))
keep()
return { 'go' }
