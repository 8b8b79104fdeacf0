-- Part of commit.lua. A run's threads: those that wait to go out, and facts of those that do.
--
-- What happens to them is in one hash: `<thread>` its new ids, `changed:`, `asked:`, `out:` (1: it went out), `settled:` (by which entry),
-- `left:<id>` and `gone:<id>`. Their counters lie in the same hash, so that each changes together with the mark it counts; a run shows copies.
-- The sorted set of those that wait is an index: a thread in it that is out was only not removed yet.

local function counterOf(field) return '#' .. field end

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

-- Where a thread is in the index: whether it was there, whether it will be, and since when where that changes.
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

local function isOut(run, thread) return get(KEYS[run.fresh], 'out:' .. thread) == '1' end

-- Until a thread is dispatched the run owes it, whatever becomes of the places where it waits. `heal.lua` reads it.
local function owe(run, thread, version)
  put(MARKS, KEYS[run.unsent], thread, version or '')
end

-- A thread waits to go out, at the end of the queue where it was not in it.
local function join(run, thread)
  owe(run, thread)
  local fresh = KEYS[run.fresh]
  if isOut(run, thread) then
    put(MARKS, fresh, 'out:' .. thread, '0')
    -- Left over by a script that failed; before the mark, which nobody would look behind.
    drop(fresh, thread, CONTENT)
    drop(fresh, 'changed:' .. thread, CONTENT)
    drop(fresh, 'asked:' .. thread, CONTENT)
  end
  local place = placeOf(run, thread)
  if not place.is then place.is, place.since = true, now end
end

-- Of a thread that grew since, the run owes another version.
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
    if not has[id] and #all < plan.limits.freshIds then
      all[#all + 1] = id
    elseif not has[id] then
      beyond = beyond + 1
    end
    has[id] = true
  end
  put(MARKS, fresh, thread, cjson.encode(all))
  -- Whoever looked at the thread before has to see that it grew.
  if beyond > 0 then put(MARKS, fresh, 'changed:' .. thread, number(fresh, 'changed:' .. thread) + beyond) end
end

local function reconsider(run, thread)
  join(run, thread)
  put(MARKS, KEYS[run.fresh], 'changed:' .. thread, number(KEYS[run.fresh], 'changed:' .. thread) + 1)
end

-- A message that is not known may be gone without notice.
local function leave(run, key, thread, known, gone)
  local id, message, digest = unpack(gone)
  stage(LEAVING, 'DEL', KEYS[message])
  if not get(KEYS[known], 'id:' .. id) then return end
  reconsider(run, thread)
  if not get(KEYS[run.fresh], 'left:' .. id) then
    put(MARKS, KEYS[run.fresh], 'left:' .. id, '1')
    countThread(run, 'deleted', 1)
  end
  drop(KEYS[known], 'id:' .. id, LEAVING)
  drop(KEYS[run.threadsOf], digest, LEAVING)
end

local function countWaiting(run)
  local count = redis.call('ZCARD', KEYS[run.threads])
  for _, place in pairs(run.places or {}) do count = count + (place.is and 1 or 0) - (place.was and 1 or 0) end
  return count
end

-- Since when the thread waits that waits longest.
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
  for known in pairs(expiring) do stage(OVER, 'EXPIRE', KEYS[known], plan.limits.keepSeconds) end
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
    -- A thread that had gone out comes back: it will be counted again when it goes.
    if isOut(run, thread) or not placeOf(run, thread).is then countThread(run, 'threads', -1) end
    join(run, thread)
    -- One that waits for mail makes room for those that are ready.
    placeOf(run, thread).since = now
    put(MARKS, fresh, 'asked:' .. thread, number(fresh, 'asked:' .. thread) + 1)
  end
end

-- It changes again and again, and is likely to go on so; the newest of these are remembered.
local function keepWarm(warm, thread)
  stage(GROUND, 'ZADD', warm, now, thread)
  stage(GROUND, 'ZREMRANGEBYRANK', warm, 0, -1 - plan.limits.warmThreads)
  stage(GROUND, 'EXPIRE', warm, plan.limits.warmSeconds)
end

apply['thread-released'] = function(f, run, key)
  local fresh, thread = KEYS[run.fresh], f.thread
  prefetch(fresh, { thread, 'changed:' .. thread, 'out:' .. thread, 'asked:' .. thread })
  if not placeOf(run, thread).is then return end
  if not isOut(run, thread) then
    -- What grew or shrank since it was looked at stays for the next release. `ledger.ts` writes the same.
    if (get(fresh, thread) or '') .. '/' .. (get(fresh, 'changed:' .. thread) or '') ~= f.seen then return end
    if f.to then
      prefetch(KEYS[f.known], { 'released', 'dispatchedAt' })
      owe(run, thread, f.version)
      put(GROUND, KEYS[f.known], 'released', f.version)
      add(f.to, ARGV[f.envelope])
      countThread(run, 'threads', 1)
      local before = get(KEYS[f.known], 'dispatchedAt')
      if before and now - before < plan.limits.warmSeconds * 1000 then keepWarm(KEYS[f.warm], thread) end
    end
    put(MARKS, fresh, 'out:' .. thread, '1')
  end
  if not f.to then drop(KEYS[run.unsent], thread) end
  -- Of a thread without mail the dispatched version is remembered for a while: what is deleted by mistake is soon put back.
  if f.empty then expiring[f.known] = true end
  drop(fresh, thread)
  drop(fresh, 'asked:' .. thread)
  drop(fresh, 'changed:' .. thread)
  placeOf(run, thread).is = false
end

-- Whether the task of a thread's version was written after that entry, by a script that failed before it could say so.
local function isWritten(stream, after, thread, version)
  return isThere(stream, after, function(fields)
    local isTask, task = pcall(cjson.decode, string.find(fields[2], version, 1, true) and fields[2] or '')
    return isTask and task.mailbox == plan.of.mailbox and task.body.thread == thread and task.body.version == version
  end)
end

-- Whether a thread goes out as a task by this. It is announced before it is written: whoever does it again looks for it there first.
local function dispatch(f, mark)
  local known, version = KEYS[f.known], f.version
  prefetch(known, { 'released', 'dispatched', 'dispatching' })
  local last, by, announced = string.match(get(known, 'dispatching') or '', '^(%S+) (%S+) (.*)$')
  if get(known, 'dispatched') == version then return announced == version and by == mark end
  -- A version that a newer one has overtaken on the way is of no use any more.
  if not f.to or (get(known, 'released') or version) ~= version then return false end
  if announced ~= version then last = lastId(KEYS[f.to]) end
  put(GROUND, known, 'dispatching', last .. ' ' .. mark .. ' ' .. version)
  if announced ~= version or not isWritten(KEYS[f.to], last, f.thread, version) then add(f.to, ARGV[f.envelope]) end
  put(MARKS, known, 'dispatched', version)
  put(MARKS, known, 'dispatchedAt', now)
  return true
end

apply['thread-settled'] = function(f, run, key)
  local fresh, mark = KEYS[run.fresh], string.sub(redis.sha1hex(f.id), 1, 12)
  local isTask = dispatch(f, mark)
  payOff(run, f.thread, f.version)
  -- A run that is forgotten counts nothing.
  if not get(key, 'startedAt') then return end
  put(GUARDS, key, 'settledAt', now)
  -- An entry that is there twice is counted once; one that was given up and driven again has come to something after all.
  local before, givenUp = get(fresh, 'settled:' .. f.thread), mark .. '!'
  if before == mark or (before == givenUp and f.givenUp) then return end
  put(MARKS, fresh, 'settled:' .. f.thread, f.givenUp and givenUp or mark)
  if before == givenUp then countThread(run, 'givenUp', -1) else countThread(run, 'settled', 1) end
  countThread(run, f.givenUp and 'givenUp' or isTask and 'tasks' or 'unchanged', 1)
end
