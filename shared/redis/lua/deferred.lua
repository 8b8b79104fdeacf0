-- Part of windows.lua. Deferred items: an item that keeps failing moves from its window to one of its own.

-- Returns the own window of a deferred item. `deferred.ts` uses the same name.
local function ownOf(name, index) return WINDOW_NAME.deferred .. name .. '/' .. index end

-- Moves an item to a window of its own, where it waits; `omitted` lets its thread be emitted without it. Its run counts it once, however
-- often this is repeated.
apply['set-aside'] = function(f, run, key)
  local window, own = KEYS[f.window], KEYS[f.own]
  prefetchWindow(window, { words(f.index) })
  local fate, account = get(window, words(f.index)), accountOf(key, f.ownName)
  if not get(window, WINDOW.of) or (fate and fate ~= FATE.deferred) or account.aside then return end
  -- In this order, with the account last: once the account exists the item is deferred, and its old window gets only the fate `deferred`.
  stage(GROUND, 'ZADD', KEYS[f.delays], now + f.inMs, ARGV[f.member])
  stage(GROUND, 'HSET', own, WINDOW.of, '1', WINDOW.context, get(window, WINDOW.context) or '0', WINDOW.items, ARGV[f.items])
  stage(GROUND, 'HSET', KEYS[f.deferred], f.field, ARGV[f.note])
  stage(GROUND, 'HSET', KEYS[f.known], THREAD.omitted .. f.id, '1')
  account.aside = 1
  stage(GROUND, 'HSET', key, accountField(f.ownName), cjson.encode(account))
end

apply['still-deferred'] = function(f, run, key)
  if get(KEYS[f.deferred], f.field) then put(GROUND, KEYS[f.deferred], f.field, ARGV[f.note]) end
end

-- Emits the thread once more, with the message or without.
apply['deferral-ended'] = function(f, run, key)
  if not get(KEYS[f.known], THREAD.omitted .. f.id) then return end
  reconsider(run, f.thread)
  drop(KEYS[f.known], THREAD.omitted .. f.id)
end

-- A deferred item has its final fate; its run continued without it and may have ended.
local function returnDeferred(run, key, f, account, context)
  if not context then count(key, RUN.deferred, -1) end
  count(key, RUN.opened, 1)
  account.opened = 1
  stage(GROUND, 'PERSIST', key)
  drop(key, RUN.endedAt)
  if f.deferred then drop(KEYS[f.deferred], f.field) end
end

-- A listing may not know the thread of a message.
local function placeInThread(window, index, thread)
  local items = decoded(get(window, WINDOW.items), window)
  items[index + 1][2] = thread
  put(GROUND, window, WINDOW.items, cjson.encode(items))
end
