-- Part of commit.lua. A run's threads: the queue of threads to emit, and facts about emitted ones.
--
-- Their state is in one hash: `<thread>` its new ids, `changed:`, `asked:`, `out:` (1: it was emitted), `settled:` (by which entry),
-- `left:<id>`, `gone:<id>` and `place:` (for which version it has a place among the run's tasks). Their counters are in the same hash, so
-- that each changes together with the mark it counts; a run shows copies. The sorted set of queued threads is an index: an emitted thread in it was only not removed yet.

local function counterOf(field) return FRESH.counter .. field end

local function countersOf(fields)
  local names = {}
  for place, field in ipairs(fields) do names[place] = counterOf(field) end
  return names
end

local function countThread(run, field, by)
  local fresh, name = KEYS[run.fresh], counterOf(field)
  -- A run of an earlier version has counted in its own hash.
  local before = get(fresh, name) and number(fresh, name) or number(KEYS[run.key], field)
  put(MARKS, fresh, name, before + by)
end

-- Returns a thread's place in the index: whether it was there, whether it will be, and since when where that changes.
local function placeOf(run, thread)
  run.places = run.places or {}
  local place = run.places[thread]
  if not place then
    local score = redis.call('ZSCORE', KEYS[run.threads], thread)
    place = { was = score ~= false, is = score ~= false }
    run.places[thread] = place
  end
  return place
end

local function isOut(run, thread) return get(KEYS[run.fresh], FRESH.out .. thread) == '1' end

-- Until a thread is dispatched the run owes it, whatever happens to the places where it waits. `heal.lua` reads this.
local function owe(run, thread, version)
  put(MARKS, KEYS[run.unsent], thread, version or '')
end

-- Queues a thread, at the end of the queue where it was not in it.
local function join(run, thread)
  owe(run, thread)
  local fresh = KEYS[run.fresh]
  if isOut(run, thread) then
    put(MARKS, fresh, FRESH.out .. thread, '0')
    -- Leftovers of a failed script; removed before the mark, because later checks stop at the mark.
    drop(fresh, thread, CONTENT)
    drop(fresh, FRESH.changed .. thread, CONTENT)
    drop(fresh, FRESH.asked .. thread, CONTENT)
  end
  local place = placeOf(run, thread)
  if not place.is then place.is, place.since = true, now end
end

-- If the thread grew since, the run still owes another version.
local function payOff(run, thread, version)
  if get(KEYS[run.unsent], thread) == version then drop(KEYS[run.unsent], thread) end
end

local expiring = {}

local function grow(run, thread, known, ids)
  local fresh = KEYS[run.fresh]
  expiring[known] = nil
  stage(CONTENT, 'PERSIST', KEYS[known])
  join(run, thread)
  local before = get(fresh, thread)
  local all, has, beyond = before and decoded(before, fresh) or {}, {}, 0
  for _, id in ipairs(all) do has[id] = true end
  for _, id in ipairs(ids) do
    if not has[id] and #all < LIMIT.freshIds then
      all[#all + 1] = id
    elseif not has[id] then
      beyond = beyond + 1
    end
    has[id] = true
  end
  put(MARKS, fresh, thread, cjson.encode(all))
  -- A concurrent reader of the thread must see that it grew.
  if beyond > 0 then put(MARKS, fresh, FRESH.changed .. thread, number(fresh, FRESH.changed .. thread) + beyond) end
end

local function reconsider(run, thread)
  join(run, thread)
  put(MARKS, KEYS[run.fresh], FRESH.changed .. thread, number(KEYS[run.fresh], FRESH.changed .. thread) + 1)
end

-- A message that is not known is removed silently.
local function removeFromThread(run, key, thread, known, gone)
  local id, message, digest = unpack(gone)
  stage(LEAVING, 'DEL', KEYS[message])
  local date = get(KEYS[known], THREAD.id .. id)
  if not date then return end
  if string.sub(date, -1) == THREAD.own then put(MARKS, KEYS[known], THREAD.ownerWrote, '1') end
  reconsider(run, thread)
  if not get(KEYS[run.fresh], FRESH.left .. id) then
    put(MARKS, KEYS[run.fresh], FRESH.left .. id, '1')
    countThread(run, RUN.deleted, 1)
  end
  drop(KEYS[known], THREAD.id .. id, LEAVING)
  drop(KEYS[run.threadsOf], digest, LEAVING)
end

local function countWaiting(run)
  local count = redis.call('ZCARD', KEYS[run.threads])
  for _, place in pairs(run.places or {}) do count = count + (place.is and 1 or 0) - (place.was and 1 or 0) end
  return count
end

-- Returns since when the longest-waiting thread waits.
local function firstWaiting(run)
  local places, moving, first = run.places or {}, 0, nil
  for _, place in pairs(places) do
    if place.is and place.since then first = place.since end
    if place.was then moving = moving + 1 end
  end
  local held = redis.call('ZRANGE', KEYS[run.threads], 0, moving, 'WITHSCORES')
  for at = 1, #held, 2 do
    local place = places[held[at]]
    if not place or (place.is and not place.since) then return tonumber(held[at + 1]) end
  end
  return first
end

local function stageThreads(run)
  for known in pairs(expiring) do stage(OVER, 'EXPIRE', KEYS[known], LIFETIME.run) end
  expiring = {}
  for thread, place in pairs(run.places or {}) do
    if place.is and place.since then
      stage(WAITING, 'ZADD', KEYS[run.threads], place.since, thread)
    elseif place.was and not place.is then
      stage(OVER, 'ZREM', KEYS[run.threads], thread)
    end
  end
  run.places = nil
end

apply['context-asked'] = function(f, run, key)
  local fresh = KEYS[run.fresh]
  for _, thread in ipairs(f.threads) do
    -- An emitted thread returns; it will be counted again when it is emitted.
    if isOut(run, thread) or not placeOf(run, thread).is then countThread(run, RUN.threads, -1) end
    join(run, thread)
    -- Threads that wait for mail move behind those that are ready.
    placeOf(run, thread).since = now
    put(MARKS, fresh, FRESH.asked .. thread, number(fresh, FRESH.asked .. thread) + 1)
  end
end

-- Such a thread keeps changing and will probably continue; the newest ones are remembered.
local function keepWarm(warm, thread)
  stage(GROUND, 'ZADD', warm, now, thread)
  stage(GROUND, 'ZREMRANGEBYRANK', warm, 0, -1 - LIMIT.warmThreads)
  stage(GROUND, 'EXPIRE', warm, LIFETIME.warm)
end

apply['thread-released'] = function(f, run, key)
  local fresh, thread = KEYS[run.fresh], f.thread
  prefetch(fresh, { thread, FRESH.changed .. thread, FRESH.out .. thread, FRESH.asked .. thread })
  if not placeOf(run, thread).is then return end
  if not isOut(run, thread) then
    -- A thread that changed since it was read stays for the next release. `ledger.ts` builds the same value.
    local known = KEYS[f.known]
    prefetch(known, { THREAD.released, THREAD.dispatchedAt, THREAD.unsent, THREAD.waitsSince })
    if (get(fresh, thread) or '') .. '/' .. (get(fresh, FRESH.changed .. thread) or '') ~= f.seen then return end
    -- A task that was written meanwhile knew of these ids. A failed attempt of this release has written `f.unsent`.
    local unsent = get(known, THREAD.unsent) or ''
    if f.to and unsent ~= f.unsentBefore and unsent ~= f.unsent then return end
    if f.to then
      owe(run, thread, f.version)
      put(GROUND, known, THREAD.released, f.version)
      if f.unsent then put(GROUND, known, THREAD.unsent, f.unsent) end
      if f.waits and not get(known, THREAD.waitsSince) then put(GROUND, known, THREAD.waitsSince, now) end
      add(f.to, ARGV[f.envelope])
      countThread(run, RUN.threads, 1)
      local before = get(known, THREAD.dispatchedAt)
      if before and now - before < LIFETIME.warm * 1000 then keepWarm(KEYS[f.warm], thread) end
    end
    put(MARKS, fresh, FRESH.out .. thread, '1')
  end
  if not f.to then drop(KEYS[run.unsent], thread) end
  -- The dispatched version of a thread without mail is kept for a while, because mail deleted by mistake is soon restored.
  if f.empty then expiring[f.known] = true end
  drop(fresh, thread)
  drop(fresh, FRESH.asked .. thread)
  drop(fresh, FRESH.changed .. thread)
  placeOf(run, thread).is = false
end
