-- Part of commit.lua. Facts about listing and messages. `f` is the fact, `run` its run in the plan, `key` the run's key.

apply['page-listed'] = function(f, run, key)
  -- A repeated page has requested its next page already.
  if run.repeated and run.repeated[f.input] then return end
  count(key, RUN.pages, 1)
  if f.next then put(GUARDS, key, RUN.next, ARGV[f.next]) else put(GUARDS, key, RUN.listing, LISTING.done) end
end

apply['message-gone'] = function(f, run, key)
  -- An earlier page may list it and be grouped later than this.
  put(MARKS, KEYS[run.fresh], FRESH.gone .. f.id, f.page)
  removeFromThread(run, key, f.thread, f.known, { f.id, f.message, f.digest })
end

apply['message-relabelled'] = function(f, run, key)
  if not get(KEYS[f.known], THREAD.id .. f.id) then return end
  -- The cached labels prove the change, so they must not be overwritten before this fact is sure to be stored.
  if f.message then stage(OVER, 'SET', KEYS[f.message], ARGV[f.text], 'EX', plan.messageSeconds) end
  reconsider(run, f.thread)
end

apply['suspected'] = function(f, run, key)
  for _, item in ipairs(f.items) do put(GROUND, KEYS[run.suspects], item.id, item.thread) end
  stage(CONTENT, 'EXPIRE', KEYS[run.suspects], LIFETIME.run)
end

apply['suspects-cleared'] = function(f, run, key)
  prefetch(KEYS[run.suspects], f.ids)
  for _, id in ipairs(f.ids) do drop(KEYS[run.suspects], id) end
end

apply['cursor-moved'] = function(f, run, key)
  local mailbox = KEYS[run.mailbox]
  if (get(mailbox, MAILBOX.cursor) or '') ~= f.was then return end
  put(OVER, mailbox, MAILBOX.cursor, f.to)
  put(OVER, mailbox, MAILBOX.cursorAt, now)
  put(OVER, mailbox, MAILBOX.synced, '1')
end

-- A mailbox has at most one pending look: in the delays, or until its active run ends. Once a look's run has begun, the look is no longer
-- pending.
apply['look-scheduled'] = function(f, run, key)
  local mailbox, delays, look = KEYS[run.mailbox], KEYS[f.delays], ARGV[f.member]
  prefetch(mailbox, { MAILBOX.activeRun, MAILBOX.look, MAILBOX.lookAfterRun })
  local active = get(mailbox, MAILBOX.activeRun)
  local before = get(mailbox, MAILBOX.look)
  local isPending = before and redis.call('ZSCORE', delays, before) and decoded(envelopeIn(before), mailbox).run ~= active
  if isPending and f.afterRun then return end
  if isPending then stage(OVER, 'ZREM', delays, before) end
  put(GROUND, mailbox, MAILBOX.look, look)
  if f.afterRun and active then
    put(GROUND, mailbox, MAILBOX.lookAfterRun, '1')
  else
    drop(mailbox, MAILBOX.lookAfterRun)
    stage(CONTENT, 'ZADD', delays, now + f.inMs, look)
  end
end

-- Ends the pending look of this run; a later look is another.
apply['look-begun'] = function(f, run, key)
  local mailbox = KEYS[run.mailbox]
  local look = get(mailbox, MAILBOX.look)
  if look and decoded(envelopeIn(look), mailbox).run == run.id then drop(mailbox, MAILBOX.look) end
end

apply['run-failed'] = function(f, run, key)
  -- A look that has found nothing yet has no run.
  if not get(key, RUN.startedAt) then return end
  put(GUARDS, key, RUN.status, RUN_STATUS.failed)
  put(GUARDS, key, RUN.failure, f.reason)
  put(GUARDS, key, RUN.listing, LISTING.done)
  drop(key, RUN.next)
end

-- Emits the threads queued until now, although a page is still to come.
apply['run-stalled'] = function(f, run, key)
  if get(key, RUN.startedAt) then put(GUARDS, key, RUN.releaseUpTo, now) end
end

-- Returns the number of a release from its entry's id.
local function releaseIn(id) return tonumber(string.match(id, '/release/(%d+)')) or 0 end

apply['known-read'] = function(f, run, key)
  if releaseIn(f.id) <= number(key, RUN.readAt) and releaseIn(f.id) > 0 then return end
  count(key, RUN.reread, f.messages)
  count(key, RUN.lost, f.lost)
  put(GUARDS, key, RUN.readAt, releaseIn(f.id))
end

apply['release-handled'] = function(f, run, key)
  local under = get(key, RUN.releasing)
  -- A repeated release does not end the one after it. '1' was written by an earlier version.
  if under == '1' or under == words(releaseIn(f.id)) then drop(key, RUN.releasing) end
end
