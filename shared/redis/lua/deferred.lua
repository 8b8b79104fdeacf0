-- Part of windows.lua. What becomes of an item that keeps failing, and leaves its window for one of its own.

-- The window of its own in which an item waits that was set aside. `deferred.ts` names it the same.
local function ownOf(name, index) return 'deferred:' .. name .. '/' .. index end

-- An item leaves its window for one of its own, and waits; `omitted` has its thread go out without it. Its run counts it once, however often
-- this is done.
apply['set-aside'] = function(f, run, key)
  local window, own = KEYS[f.window], KEYS[f.own]
  prefetchWindow(window, { words(f.index) })
  local fate, account = get(window, words(f.index)), accountOf(key, f.ownName)
  if not get(window, 'of') or (fate and fate ~= 'deferred') or account.aside then return end
  -- In this order, the account last: once it is there the item waits, and whatever else its window is told, its fate is `deferred`.
  stage(GROUND, 'ZADD', KEYS[f.delays], now + f.inMs, ARGV[f.member])
  stage(GROUND, 'HSET', own, 'of', '1', 'context', get(window, 'context') or '0', 'items', ARGV[f.items])
  stage(GROUND, 'HSET', KEYS[f.deferred], f.field, ARGV[f.note])
  stage(GROUND, 'HSET', KEYS[f.known], 'omitted:' .. f.id, '1')
  account.aside = 1
  stage(GROUND, 'HSET', key, accountField(f.ownName), cjson.encode(account))
end

apply['still-deferred'] = function(f, run, key)
  if get(KEYS[f.deferred], f.field) then put(GROUND, KEYS[f.deferred], f.field, ARGV[f.note]) end
end

-- Its thread goes out once more, with the message or without.
apply['deferral-ended'] = function(f, run, key)
  if not get(KEYS[f.known], 'omitted:' .. f.id) then return end
  reconsider(run, f.thread)
  drop(KEYS[f.known], 'omitted:' .. f.id)
end

-- What was set aside has its fate; its run went on without it, and may have ended.
local function comeBack(run, key, f, account, context)
  if not context then count(key, 'deferred', -1) end
  count(key, 'opened', 1)
  account.opened = 1
  stage(GROUND, 'PERSIST', key)
  drop(key, 'endedAt')
  if f.deferred then drop(KEYS[f.deferred], f.field) end
end

-- A listing need not know in which thread a message is.
local function placeInThread(window, index, thread)
  local items = decoded(get(window, 'items'), window)
  items[index + 1][2] = thread
  put(GROUND, window, 'items', cjson.encode(items))
end
