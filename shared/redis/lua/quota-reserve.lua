#!lua
-- Takes units of a quota ahead of requests, or says how long they have to wait. In any window of time, whichever way the provider cuts
-- its own, no more than the limit is spent: units count until a whole window has gone by since their answer was there.
--
-- KEYS    a mailbox's book, or a project's
-- ARGV    now (ms; '' for the server's clock), window (ms), units a window, requests at a time (0: any number), how long fewer are
--         remembered (ms), id, how long units are held that nobody settles (ms), how long their requests count as under way (ms), units, requests
-- Result  {'go'} | {'wait', ms} | {'fewer', requests that may go together}

--@ quota-book.lua

local id, leaseMs, answerMs, units, requests = ARGV[6], tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])
-- A place comes free when an answer does, however long the provider counts.
local placeWaitMs = math.min(100, math.ceil(window / 600))
local smallest = 0.01

local function wait(ms) return { 'wait', math.max(1, math.ceil(ms)) } end

if (book.pausedUntil or 0) > now then return wait(book.pausedUntil - now) end

-- After a refusal one request finds out whether the provider serves again.
local probing = (book.refusals or 0) > 0
if probing then places = 1 end
if places > 0 and requests > places then return { 'fewer', places } end

local allowed = math.floor(limit * (probing and 1 or shareNow()))
-- What is small, such as looking for news, is not held up by what is large.
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
  -- What is under way counts for a window from its end.
  return wait(window)
end

put(GUARDS, key, 'lease:' .. id, table.concat({ whole(now + leaseMs), whole(now), whole(units), whole(requests) }, ' '))
keep()
return { 'go' }
