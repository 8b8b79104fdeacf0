-- Part of commit.lua. How each fact changes the state; `f` is the fact, `run` its run in the plan, `key` the run's key.

local apply = {}

-- Stands for what has happened to a thread in this run. `ledger.ts` writes the same.
local function seenOf(run, thread)
  local fresh, changes = unpack(redis.call('HMGET', KEYS[run.fresh], thread, 'changed:' .. thread))
  return (fresh or '') .. '/' .. (changes or '')
end

local function reconsider(run, thread)
  redis.call('ZADD', KEYS[run.threads], 'NX', plan.now, thread)
  redis.call('HINCRBY', KEYS[run.fresh], 'changed:' .. thread, 1)
end

-- A message that is not known may be gone without notice.
local function leave(run, key, thread, known, gone)
  local id, message, digest = unpack(gone)
  redis.call('DEL', KEYS[message])
  if redis.call('HDEL', KEYS[known], 'id:' .. id) == 0 then return end
  redis.call('HDEL', KEYS[run.threadsOf], digest)
  redis.call('HINCRBY', key, 'deleted', 1)
  reconsider(run, thread)
end

apply['window-opened'] = function(f, run, key)
  local window = KEYS[f.window]
  -- Its input may come a second time, when it was posted twice or its group was lost: a window is opened once.
  if redis.call('HSETNX', window, 'of', f.of) == 0 then return end
  redis.call('HSET', window, 'context', f.context and '1' or '0', 'items', ARGV[f.items])
  redis.call('PERSIST', key)
  redis.call('HINCRBY', key, 'opened', 1)
  redis.call('HINCRBY', key, f.context and 'context' or 'listed', f.of)
  redis.call('HDEL', key, 'endedAt')
end

apply['page-listed'] = function(f, run, key)
  if f.next then redis.call('HSET', key, 'next', ARGV[f.next]) else redis.call('HSET', key, 'listing', 'done') end
end

apply['message-gone'] = function(f, run, key)
  -- An earlier page may have listed it, and be grouped later than this.
  redis.call('HSET', KEYS[run.fresh], 'gone:' .. f.id, f.page)
  leave(run, key, f.thread, f.known, { f.id, f.message, f.digest })
end

apply['message-relabelled'] = function(f, run, key)
  if redis.call('HEXISTS', KEYS[f.known], 'id:' .. f.id) == 0 then return end
  -- That its labels changed is told by what is held of it: that must not be overwritten before this is sure to be known.
  if f.message then redis.call('SET', KEYS[f.message], ARGV[f.text], 'EX', plan.limits.messageSeconds) end
  reconsider(run, f.thread)
end

apply['suspected'] = function(f, run, key)
  for _, item in ipairs(f.items) do redis.call('HSET', KEYS[run.suspects], item.id, item.thread) end
  redis.call('EXPIRE', KEYS[run.suspects], plan.limits.keepSeconds)
end

apply['suspects-cleared'] = function(f, run, key)
  if #f.ids > 0 then redis.call('HDEL', KEYS[run.suspects], unpack(f.ids)) end
end

apply['cursor-moved'] = function(f, run, key)
  local mailbox = KEYS[run.mailbox]
  if (redis.call('HGET', mailbox, 'cursor') or '') ~= f.was then
    redis.call('HINCRBY', mailbox, 'cursorConflicts', 1)
    return
  end
  redis.call('HSET', mailbox, 'cursor', f.to, 'cursorAt', plan.now, 'synced', '1')
end

-- A mailbox has one look pending: in the delays, or until its active run ends. A look whose run has begun is what that run goes on with.
apply['look-later'] = function(f, run, key)
  local mailbox, delays, look = KEYS[run.mailbox], KEYS[f.delays], ARGV[f.member]
  local active = redis.call('HGET', mailbox, 'activeRun')
  local before = redis.call('HGET', mailbox, 'look')
  local isPending = before and redis.call('ZSCORE', delays, before) and cjson.decode(envelopeIn(before)).run ~= active
  if isPending and f.afterRun then return end
  if isPending then redis.call('ZREM', delays, before) end
  redis.call('HSET', mailbox, 'look', look)
  if f.afterRun and active then
    redis.call('HSET', mailbox, 'lookAfterRun', '1')
  else
    redis.call('HDEL', mailbox, 'lookAfterRun')
    redis.call('ZADD', delays, f.dueAt, look)
  end
end

apply['run-failed'] = function(f, run, key)
  -- A look that found nothing yet has no run.
  if redis.call('HEXISTS', key, 'startedAt') == 0 then return end
  redis.call('HSET', key, 'status', 'failed', 'failure', f.reason, 'listing', 'done')
  redis.call('HDEL', key, 'next')
end

apply['fates-known'] = function(f, run, key)
  local window = KEYS[f.window]
  local of, context = unpack(redis.call('HMGET', window, 'of', 'context'))
  if not of then return end
  local news, counts = 0, {}
  for _, known in ipairs(f.fates) do
    local index, fate = unpack(known)
    -- A slice may be of another window than it says.
    if index < tonumber(of) and redis.call('HSETNX', window, index, fate) == 1 then
      news = news + 1
      counts[fate] = (counts[fate] or 0) + 1
    end
  end
  if news == 0 then return end
  context = context == '1'
  for fate, count in pairs(counts) do
    if not context then redis.call('HINCRBY', key, fate, count) end
  end
  if redis.call('HINCRBY', window, 'done', news) < tonumber(of) then return end
  local items, places = cjson.decode(redis.call('HGET', window, 'items')), {}
  for place in ipairs(items) do places[place] = place - 1 end
  local fates = redis.call('HMGET', window, unpack(places))
  for place, item in ipairs(items) do items[place] = { id = item[1], thread = item[2], fate = fates[place] } end
  addNew(run.merged, run, run.id .. '/' .. f.name, { window = f.name, context = context, items = items })
  redis.call('HINCRBY', key, 'merged', 1)
  redis.call('EXPIRE', window, plan.limits.keepMergedSeconds)
end

-- What a later page has told as gone is not put into its thread any more.
local function stillThere(run, window, ids)
  local page = tonumber(window)
  if #ids == 0 or not page then return ids end
  local fields = {}
  for place, id in ipairs(ids) do fields[place] = 'gone:' .. id end
  local there = {}
  for place, gone in ipairs(redis.call('HMGET', KEYS[run.fresh], unpack(fields))) do
    if not gone or tonumber(gone) < page then there[#there + 1] = ids[place] end
  end
  return there
end

apply['window-grouped'] = function(f, run, key)
  local window = KEYS[f.window]
  if redis.call('HSETNX', window, 'grouped', '1') == 0 then return end
  redis.call('EXPIRE', window, plan.limits.keepMergedSeconds)
  -- All that was known when something happened to it is suspected, and so is what had been listed and becomes known only now.
  local page, suspiciousSince = tonumber(f.name), tonumber(redis.call('HGET', KEYS[run.suspects], ''))
  local isSuspicious = page and suspiciousSince and page < suspiciousSince
  for _, thread in ipairs(f.threads) do
    local known, fresh = KEYS[thread.key], KEYS[run.fresh]
    local there = stillThere(run, f.name, thread.fresh)
    if #there > 0 then
      for _, id in ipairs(there) do
        if isSuspicious then redis.call('HSET', KEYS[run.suspects], id, thread.id) end
        redis.call('HSET', known, 'id:' .. id, '1')
        redis.call('HSET', KEYS[run.threadsOf], thread.digests[id], thread.id)
      end
      redis.call('PERSIST', known)
      redis.call('ZADD', KEYS[run.threads], 'NX', plan.now, thread.id)
      local before = redis.call('HGET', fresh, thread.id)
      local ids = before and cjson.decode(before) or {}
      for _, id in ipairs(there) do ids[#ids + 1] = id end
      redis.call('HSET', fresh, thread.id, cjson.encode(ids))
    end
    for _, gone in ipairs(thread.gone) do
      -- An earlier page may have listed it, and be grouped later than this.
      if f.verified then redis.call('HSET', KEYS[run.fresh], 'gone:' .. gone[1], f.verified) end
      leave(run, key, thread.id, thread.key, gone)
    end
  end
  redis.call('HINCRBY', key, 'grouped', 1)
end

apply['context-asked'] = function(f, run, key)
  for _, thread in ipairs(f.threads) do
    -- A thread that had gone out comes back: it will be counted again when it goes.
    if redis.call('ZADD', KEYS[run.threads], 'NX', plan.now, thread) == 1 then redis.call('HINCRBY', key, 'threads', -1) end
    -- One that waits for mail makes room for those that are ready.
    redis.call('ZADD', KEYS[run.threads], 'XX', plan.now, thread)
    redis.call('HINCRBY', KEYS[run.fresh], 'asked:' .. thread, 1)
  end
end

-- It changes again and again, and is likely to go on so; the newest of these are remembered.
local function keepWarm(warm, thread)
  redis.call('ZADD', warm, plan.now, thread)
  redis.call('ZREMRANGEBYRANK', warm, 0, -1 - plan.limits.warmThreads)
  redis.call('EXPIRE', warm, plan.limits.warmSeconds)
end

apply['thread-released'] = function(f, run, key)
  -- What grew or shrank since it was looked at stays for the next release.
  if seenOf(run, f.thread) ~= f.seen then return end
  if redis.call('ZREM', KEYS[run.threads], f.thread) == 0 then return end
  redis.call('HDEL', KEYS[run.fresh], f.thread, 'asked:' .. f.thread, 'changed:' .. f.thread)
  -- Of a thread without mail the dispatched version is remembered for a while: what is deleted by mistake is soon put back.
  if f.empty then redis.call('EXPIRE', KEYS[f.known], plan.limits.keepSeconds) end
  if not f.to then return end
  redis.call('HSET', KEYS[f.known], 'released', f.version)
  local before = redis.call('HGET', KEYS[f.known], 'dispatchedAt')
  if before and plan.now - before < plan.limits.warmSeconds * 1000 then keepWarm(KEYS[f.warm], f.thread) end
  add(f.to, ARGV[f.envelope])
  redis.call('HINCRBY', key, 'threads', 1)
end

apply['known-read'] = function(f, run, key)
  redis.call('HINCRBY', key, 'reread', f.messages)
  redis.call('HINCRBY', key, 'lost', f.lost)
end

apply['release-handled'] = function(f, run, key)
  redis.call('HDEL', key, 'releasing')
end

apply['thread-settled'] = function(f, run, key)
  redis.call('HINCRBY', key, 'settled', 1)
  redis.call('HSET', key, 'settledAt', plan.now)
  -- A version that a newer one has overtaken on the way is of no use any more.
  local newest = redis.call('HGET', KEYS[f.thread], 'released') or f.version
  if not f.to or newest ~= f.version or redis.call('HGET', KEYS[f.thread], 'dispatched') == f.version then
    redis.call('HINCRBY', key, 'unchanged', 1)
    return
  end
  add(f.to, ARGV[f.envelope])
  redis.call('HSET', KEYS[f.thread], 'dispatched', f.version, 'dispatchedAt', plan.now)
  redis.call('HINCRBY', key, 'tasks', 1)
end
