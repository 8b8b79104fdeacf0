#!lua
-- Ends a reservation: records the spent units, and adapts to the provider's refusals.
--
-- KEYS    a mailbox's book, or a project's
-- ARGV    now (ms; '' for the server's clock), window (ms), units a window, concurrent requests (0: any number), how long a reduced
--         concurrency lasts (ms), id, units spent, the refusal: 'rate', 'concurrency' or '', how long the provider asked to wait (ms; -1:
--         it did not say), refused or not; the least concurrency after refusals; the ratio of each pause to the last
-- Result  the remaining concurrency where this refusal halved it, otherwise 0

--@ quota-book.lua

local id, units, refused, retryAfterMs = ARGV[6], tonumber(ARGV[7]), ARGV[8], tonumber(ARGV[9])
-- Where the provider names no time, the pause is found by trial: short at first, whether its window is a minute or an hour.
local firstPause, longestPause = math.min(2000, window / 30), window / 4
local leastShare, stepDown = 0.05, 0.9

local narrowed = 0
local lease = book.leases[id]
local since = lease and lease.since or 0
-- Several refusals of requests that were in flight together count as one.
local isNews = function(last) return since >= (last or 0) end

if lease then
  retire(QUOTA.lease .. id)
  book.used = book.used - lease.units
  spend(now, units)
end

local function pauseUntil(ends)
  book.pausedUntil = math.max(book.pausedUntil or 0, ends)
  put(GUARDS, key, QUOTA.pausedUntil, whole(book.pausedUntil))
end

-- A requested wait applies to all requests, whatever was refused and why.
if retryAfterMs > 0 then pauseUntil(now + retryAfterMs) end

if refused == 'rate' then
  if isNews(book.refusedAt) then
    -- Our part of the last window is the share that other clients leave us. A mailbox with little work had little and proves little, so one
    -- refusal takes at most half. A refused probe takes nothing: it may have met the same spent minute.
    local share, refusals = shareNow(), (book.refusals or 0) + 1
    if refusals == 1 then share = math.min(share, math.max(leastShare, stepDown * book.used / limit, share / 2)) end
    local pause = retryAfterMs > 0 and retryAfterMs or math.min(longestPause, firstPause * tonumber(ARGV[11]) ^ (refusals - 1))
    put(GUARDS, key, QUOTA.share, string.format('%.4f', share))
    put(GUARDS, key, QUOTA.refusedAt, whole(now))
    put(GUARDS, key, QUOTA.refusals, refusals)
    pauseUntil(now + pause)
  end
elseif refused == 'concurrency' then
  if places > 0 and isNews(book.narrowedAt) then
    local fewer = math.max(math.min(places, tonumber(ARGV[10])), math.floor(places / 2))
    put(GUARDS, key, QUOTA.places, fewer)
    put(GUARDS, key, QUOTA.narrowedAt, whole(now))
    narrowUntil = now + narrowMs
    if fewer < places then narrowed = fewer end
  end
elseif lease and units > 0 and retryAfterMs <= 0 then
  drop(key, QUOTA.refusals)
end
keep()
return narrowed
