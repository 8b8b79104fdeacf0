-- Part of commit.lua. Whether a thread's version becomes a task, once, and what a run counts of it.

-- Returns whether the task of a thread's version was written after that entry, by a script that failed before recording it.
local function isWritten(stream, after, thread, version)
  return isThere(stream, after, function(fields)
    local isTask, task = pcall(cjson.decode, string.find(fields[2], version, 1, true) and fields[2] or '')
    return isTask and task.mailbox == plan.of.mailbox and task.body.thread == thread and task.body.version == version
  end)
end

-- Returns whether the run may have another task. The place is taken before the task is written, so that a repetition takes no second one.
local function takePlace(f, run, key)
  local fresh, place = KEYS[run.fresh], FRESH.place .. f.thread
  if not plan.tasksPerRun or not get(key, RUN.startedAt) or get(fresh, place) == f.version then return true end
  local taken = get(fresh, FRESH.places) and number(fresh, FRESH.places) or number(fresh, counterOf(RUN.tasks))
  if taken >= plan.tasksPerRun then return false end
  put(GROUND, fresh, place, f.version)
  put(GROUND, fresh, FRESH.places, taken + 1)
  return true
end

-- Returns what becomes of a thread's version: RUN.tasks where this writes its task, or the counter of the reason why not. The task is
-- announced before it is written, and a repetition looks for it there first.
local function dispatch(f, run, key, mark)
  local known, version = KEYS[f.known], f.version
  prefetch(known, {
    THREAD.released, THREAD.dispatched, THREAD.dispatching, THREAD.waitsSince, THREAD.unsent, THREAD.withheld,
  })
  local last, by, announced = string.match(get(known, THREAD.dispatching) or '', '^(%S+) (%S+) (.*)$')
  local isNewest = (get(known, THREAD.released) or version) == version
  local isDone = get(known, THREAD.dispatched) == version
  -- A version overtaken by a newer one is obsolete.
  if not isNewest then return isDone and announced == version and by == mark and RUN.tasks or RUN.unchanged end
  drop(known, THREAD.waitsSince)
  if isDone then
    drop(known, THREAD.unsent)
    drop(known, THREAD.withheld)
    return announced == version and by == mark and RUN.tasks or RUN.unchanged
  end
  local why = f.withheld or f.to and not takePlace(f, run, key) and RUN.overLimit
  if why then put(MARKS, known, THREAD.withheld, version .. ' ' .. why) end
  if why or not f.to then return why or RUN.unchanged end
  if announced ~= version then last = lastId(KEYS[f.to]) end
  put(GROUND, known, THREAD.dispatching, last .. ' ' .. mark .. ' ' .. version)
  if announced ~= version or not isWritten(KEYS[f.to], last, f.thread, version) then add(f.to, ARGV[f.envelope]) end
  put(MARKS, known, THREAD.dispatched, version)
  put(MARKS, known, THREAD.dispatchedAt, now)
  -- A task that is built later names what is new until then.
  if f.unsent then put(MARKS, known, THREAD.unsent, f.unsent) else drop(known, THREAD.unsent) end
  drop(known, THREAD.withheld)
  return RUN.tasks
end

apply['thread-settled'] = function(f, run, key)
  local fresh, mark = KEYS[run.fresh], string.sub(redis.sha1hex(f.id), 1, 12)
  local result = dispatch(f, run, key, mark)
  payOff(run, f.thread, f.version)
  -- A forgotten run has no counters.
  if not get(key, RUN.startedAt) then return end
  put(GUARDS, key, RUN.settledAt, now)
  -- A duplicate entry is counted once; a dead-lettered one that was redriven now has its result.
  local before, givenUp = get(fresh, FRESH.settled .. f.thread), mark .. '!'
  if before == mark or (before == givenUp and f.givenUp) then return end
  put(MARKS, fresh, FRESH.settled .. f.thread, f.givenUp and givenUp or mark)
  if before == givenUp then countThread(run, RUN.givenUp, -1) else countThread(run, RUN.settled, 1) end
  countThread(run, f.givenUp and RUN.givenUp or result, 1)
end

-- An answer is written before its mark. A script that fails between them writes it again, and readers keep the first.
apply['task-sent'] = function(f)
  local known = KEYS[f.known]
  prefetch(known, { THREAD.sent, THREAD.released, THREAD.unsent })
  if get(known, THREAD.sent) == f.version then return end
  if f.to then
    add(f.to, ARGV[f.envelope])
    stage(CONTENT, 'SET', KEYS[f.result], ARGV[f.latest], 'EX', plan.resultSeconds)
  end
  put(MARKS, known, THREAD.sent, f.version)
  -- A newer version names the new messages once more where it was emitted meanwhile.
  if get(known, THREAD.released) == f.version then drop(known, THREAD.unsent) end
end
